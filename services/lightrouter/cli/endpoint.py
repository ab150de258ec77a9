"""What an OpenAI-compatible endpoint says that it serves, and the pool file that this makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

import httpx
import yaml

from lightrouter.cli.errors import CommandError, ExitCode

_MAX_BYTES: Final = 16 * 2**20
_TIMEOUT_S: Final = 15.0
_MAX_NAME: Final = 63
_MILLION: Final = 1_000_000

# Who serves a model, as its `owned_by` or the host's name says, and the lines on how such a server goes on.
_CONTINUATIONS: Final = {
    "llamacpp": (
        "continuation: trailing   # llama.cpp goes on from the last message where it is the assistant's",
        "always_stream: true   # its server stops writing only where a stream is closed",
    ),
    "library": ("continuation: trailing   # Ollama goes on from the last message where it is the assistant's",),
    "vllm": ("continuation: continue_final_message   # vLLM takes continue_final_message",),
    "sglang": ("continuation: continue_final_message   # SGLang takes continue_final_message",),
    "deepseek": ("continuation: prefix   # DeepSeek takes `prefix: true`; its base_url must then end in /beta",),
    "mistralai": (
        "continuation: prefix   # Mistral takes `prefix: true`",
        "echoes_prefix: true   # and repeats the prefix in its answer",
    ),
}
_UNKNOWN: Final = (
    "continuation: none   # not known to go on: drafts are written anew; try trailing, it is cheaper where it works",
)


class EndpointError(Exception):
    """An endpoint that does not say what it serves; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as the endpoint lists it.

    Attributes:
        id: Its name there.
        owned_by: Who serves it, as the endpoint says; may be empty.
        context_window: Tokens that it can hold; 0 where the endpoint does not say.
        prices: US dollars per million tokens by kind (input, cached_input, output), where the endpoint says.
    """

    id: str
    owned_by: str = ""
    context_window: int = 0
    prices: Mapping[str, str] | None = None


def base_urls(url: str) -> list[str]:
    """Returns the roots to try for what a person typed, the likeliest first.

    Raises:
        EndpointError: It is no http or https URL.
    """
    given = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.URL(given)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise EndpointError(f"{url} must be an http or https URL like http://localhost:11434")
    root = str(parsed.copy_with(query=None, fragment=None)).rstrip("/").removesuffix("/models")
    return [root] if root.endswith("/v1") else [f"{root}/v1", root]


def list_models(urls: Sequence[str], api_key: str | None, client: httpx.Client) -> tuple[str, list[ServedModel]]:
    """Returns the first root of `urls` that lists models, and its models.

    Raises:
        EndpointError: None does; the sentence says what the first one answered.
    """
    first: EndpointError | None = None
    for url in urls:
        try:
            return url, _models(url, api_key, client)
        except EndpointError as error:
            first = first or error
    raise first or EndpointError("no URL was given")


def _models(url: str, api_key: str | None, client: httpx.Client) -> list[ServedModel]:
    address = f"{url}/models"
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with client.stream("GET", address, headers=headers, timeout=_TIMEOUT_S) as response:
            body = _body(response, address)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise EndpointError(f"{address} cannot be reached: {reason}") from None
    if response.status_code in {401, 403}:
        hint = "refused the key" if api_key else "wants an API key: name the variable that holds it with --api-key-env"
        raise EndpointError(f"{address} {hint}")
    if response.status_code != httpx.codes.OK:
        raise EndpointError(f"{address} answered HTTP {response.status_code}")
    models = list(_parsed(httpx.Response(200, content=body)))
    if not models:
        raise EndpointError(f"{address} lists no models, or is not OpenAI-compatible")
    return models


def _body(response: httpx.Response, address: str) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _MAX_BYTES:
            raise EndpointError(f"{address} sent more than {_MAX_BYTES:,} bytes")
    return bytes(body)


def _parsed(response: httpx.Response) -> Iterable[ServedModel]:
    try:
        document: object = response.json()
    except (ValueError, RecursionError):
        return
    data = document.get("data") if isinstance(document, dict) else document
    for item in data if isinstance(data, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"]:
            owner = item.get("owned_by")
            yield ServedModel(
                id=item["id"],
                owned_by=owner if isinstance(owner, str) else "",
                context_window=_context_window(item),
                prices=_prices(item.get("pricing")),
            )


def _context_window(item: Mapping[str, object]) -> int:
    meta = item.get("meta")
    nested = meta if isinstance(meta, dict) else {}
    # vLLM, OpenRouter, llama.cpp (of one slot, then as trained).
    found = (item.get("max_model_len"), item.get("context_length"), nested.get("n_ctx"), nested.get("n_ctx_train"))
    return next((value for value in found if isinstance(value, int) and 0 < value < 2**40), 0)


def _prices(pricing: object) -> Mapping[str, str] | None:
    """Returns prices per million from OpenRouter's prices per token."""
    if not isinstance(pricing, dict):
        return None
    prices: dict[str, str] = {}
    for key, theirs in (("input", "prompt"), ("cached_input", "input_cache_read"), ("output", "completion")):
        try:
            amount = Decimal(str(pricing[theirs])) * _MILLION
        except (KeyError, InvalidOperation):
            continue
        if amount.is_finite() and 0 <= amount < _MILLION:
            prices[key] = f"{amount:.9f}".rstrip("0").rstrip(".")
    return prices if {"input", "output"} <= prices.keys() else None


def pool_text(base_url: str, models: Sequence[ServedModel], left_out: int, api_key_env: str | None) -> str:
    """Returns the commented pool file for these models; `left_out` more are served and not in it."""
    return _head(base_url, left_out) + entries_text(base_url, models, api_key_env, set())


def entries_text(
    base_url: str, models: Sequence[ServedModel], api_key_env: str | None, taken: set[str], state: str | None = None
) -> str:
    """Returns the commented entries for these models, none named as those in `taken`, which gets their names."""
    return "".join(_entry(base_url, model, _name(model.id, taken), api_key_env, state) for model in models)


def api_key(variable: str | None, environment: Mapping[str, str]) -> str | None:
    """Returns the API key that the environment variable holds; None where none is named.

    Raises:
        CommandError: The variable is not set.
    """
    if variable is None:
        return None
    key = environment.get(variable)
    if not key:
        raise CommandError(f"the environment variable {variable} of --api-key-env is not set", ExitCode.USAGE)
    return key


def _head(base_url: str, left_out: int) -> str:
    more = f"# {left_out} more models are served; `lightrouter init --model ID` chooses.\n" if left_out else ""
    return f"""\
# The pool of LightRouter: the candidates that may answer. Saved changes take effect without a restart.
# Written by `lightrouter init` from {_comment(base_url)}/models.
{more}#
# judge: NAME          # the candidate that ranks for the selector `llm`; default: the one with the best prior
# synthesizer: NAME    # the candidate that merges drafts; default: the best-ranked one
candidates:
"""


def _entry(base_url: str, model: ServedModel, name: str, api_key_env: str | None, state: str | None) -> str:
    continuation = "\n    ".join(_continuation(base_url, model))
    key = f"api_key_env: {api_key_env}" if api_key_env else "# api_key_env: NAME      # the variable with the API key"
    if model.prices:
        listed = ", ".join(f'{kind}: "{price}"' for kind, price in model.prices.items())
        prices = f"prices: {{{listed}}}   # US dollars per million tokens, as the endpoint says"
    else:
        prices = (
            'prices: {input: "0", cached_input: "0", output: "0"}   # fill in: US dollars per million tokens;'
            " 0 for a model on your own machine"
        )
    window = (
        f"context_window: {model.context_window}" if model.context_window else "# context_window: 8192     # fill in"
    )
    return f"""\
  - name: {_quoted(name)}
    provider: openai
    base_url: {_quoted(base_url)}
    model: {_quoted(model.id)}
    {key}
    {continuation}
    {prices}
    {window}
    prior: 0.5   # what you expect of it, 0 to 1, before any prompt is seen
{f"    state: {state}   # until an evaluation has judged it{chr(10)}" if state else ""}"""


def _continuation(base_url: str, model: ServedModel) -> tuple[str, ...]:
    host = httpx.URL(base_url).host
    owner = model.owned_by.lower()
    for known, how in _CONTINUATIONS.items():
        if owner == known or (known in {"deepseek", "mistralai"} and known.removesuffix("ai") in host):
            return how
    return _UNKNOWN


def _name(model_id: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", model_id.rsplit("/", 1)[-1].lower()).strip("-")[:_MAX_NAME].strip("-") or "model"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base[: _MAX_NAME - len(f'-{number}')].rstrip('-')}-{number}"
    taken.add(name)
    return name


def _quoted(value: str) -> str:
    return str(yaml.safe_dump(value, default_style='"', width=10**9)).strip()


def _comment(value: str) -> str:
    return "".join(char for char in value if char.isprintable())
