"""The APIs whose endpoints list models: where, and with which headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final

import click
import httpx

from lightrouter.adapter.providers.anthropic import Anthropic
from lightrouter.adapter.providers.gemini import Gemini
from lightrouter.cli.grammar import argument, option, together
from lightrouter.pool.values import AUTHORIZATION

AZURE_HOSTS: Final = (".azure.com", ".azure-api.net", ".azure.us", ".azure.cn")
"""The ends of host names of Azure, which has the OpenAI API under /openai/v1, without a version in the query."""


@dataclass(frozen=True, slots=True)
class ModelsApi:
    """One API as its list of models is asked for.

    Attributes:
        provider: Its name in pool entries.
        version: The path under which its servers have it, as a rule.
        key_header: The header of the API key.
        headers: Headers of every request.
        host: The host of its maker's own server; empty if there is none.
    """

    provider: str
    version: str
    key_header: str
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = ""

    def key_header_at(self, base_url: str) -> str:
        """Returns the header of the API key at `base_url`: Azure has its own."""
        url = httpx.URL(base_url)
        azure = url.host.endswith(AZURE_HOSTS)
        return "api-key" if self is OPENAI and (azure or "api-version" in url.params) else self.key_header


OPENAI: Final = ModelsApi("openai", "/v1", AUTHORIZATION)
"""The OpenAI API."""
MODELS_APIS: Final = (
    OPENAI,
    ModelsApi("anthropic", "/v1", Anthropic.key_header, Anthropic.headers, "api.anthropic.com"),
    ModelsApi("gemini", "/v1beta", Gemini.key_header, host="generativelanguage.googleapis.com"),
)
"""The known APIs."""


def api_of(url: str, provider: str | None) -> ModelsApi:
    """Returns the API named `provider`; without a name, the one that the host of `url` is known for, else OpenAI's."""
    if provider:
        return next(api for api in MODELS_APIS if api.provider == provider)
    at, _, path = url.partition("://")[2].partition("/") if "://" in url else url.partition("/")
    known = [api for api in MODELS_APIS if api.host and api.host == at.partition(":")[0].lower()]
    # Google's server speaks the OpenAI API, too.
    return OPENAI if not known or "openai" in path.split("/") else known[0]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint that lists models.

    Attributes:
        url: Its URL as it was typed.
        api: The API that it speaks.
        api_key_env: The environment variable that holds its API key; None: it needs none.
        models: The ids of the wanted models; empty: all.
    """

    url: str
    api: ModelsApi
    api_key_env: str | None
    models: Sequence[str]


def endpoint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the endpoint and the models of it; the function gets them as `at`, an `Endpoint`."""

    @wraps(function)
    def with_endpoint(
        url: str, provider: str | None, api_key_env: str | None, model: Sequence[str], **given: Any
    ) -> Any:
        return function(at=Endpoint(url, api_of(url, provider), api_key_env, model), **given)

    add = together(
        argument("url", "the endpoint, with or without /v1"),
        option(
            "--provider",
            type=click.Choice([api.provider for api in MODELS_APIS]),
            help="the API that the endpoint speaks; default: by its host, else openai",
        ),
        option("--api-key-env", metavar="NAME", help="environment variable that holds the API key"),
        option("--model", multiple=True, metavar="ID", help="a model to include, may be repeated"),
    )
    return add(with_endpoint)
