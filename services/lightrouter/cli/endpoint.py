"""Lists the models of an endpoint, whichever of the known APIs it speaks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

import httpx

from lightrouter.cli import served
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.modelapis import AZURE_HOSTS, OPENAI, ModelsApi
from lightrouter.cli.served import ServedModel
from lightrouter.cli.text import reason
from lightrouter.pool.addresses import under
from lightrouter.pool.values import AUTHORIZATION

# Choices: far above the longest list of models seen, and short enough for a person who waits.
_MAX_BYTES: Final = 16 * 2**20
_TIMEOUT_S: Final = 15.0
# Choices: bounds for a server whose pages or redirects never end.
_MOST_PAGES: Final = 50
_MOST_REDIRECTS: Final = 5


class EndpointError(CommandError):
    """An endpoint whose models cannot be listed; the text is one sentence.

    Attributes:
        weight: How informative it is, compared with errors of the endpoint's other addresses; higher is better.
    """

    def __init__(self, sentence: str, weight: int = 2) -> None:
        super().__init__(sentence)
        self.weight = weight


def base_urls(url: str, version: str = "/v1") -> list[str]:
    """Returns the root URLs to try for a typed URL, the most likely first; most APIs are under their `version`.

    Raises:
        CommandError: It is not an http or https URL, or holds credentials.
    """
    given = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.URL(given)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise CommandError(f"{url!r} must be an http or https URL like http://localhost:11434", ExitCode.USAGE)
    if parsed.userinfo:
        raise CommandError("the URL must not hold credentials; name the key with --api-key-env", ExitCode.USAGE)
    root = parsed.copy_with(fragment=None)
    path = root.path.rstrip("/").removesuffix("/models").removesuffix("/chat/completions").rstrip("/")
    # Azure's address has its version in the query; keep nothing else of the query.
    versioned = bool(root.params.get("api-version"))
    if not path and version == OPENAI.version and root.host.endswith(AZURE_HOSTS):
        path = "/openai/v1"
    guesses = [path] if versioned or path.endswith(version) else [f"{path}{version}", path]
    query = root.query if versioned else None
    return [str(root.copy_with(path=each or "/", query=query)).rstrip("/") for each in guesses]


def served_by(url: str, api_key_env: str | None, api: ModelsApi) -> tuple[str, list[ServedModel]]:
    """Returns the root of an endpoint and its models; the variable `api_key_env` has the API key, if it is named.

    Raises:
        CommandError: The URL, the variable or the endpoint cannot be used.
    """
    with httpx.Client() as http:
        return list_models(base_urls(url, api.version), api_key(api_key_env, os.environ), http, api)


def named(models: Sequence[ServedModel], wanted: Sequence[str]) -> list[ServedModel]:
    """Returns the models with the ids `wanted`, once each.

    Raises:
        CommandError: The endpoint does not serve one of them.
    """
    by_id = {model.id: model for model in models}
    if missing := [name for name in wanted if name not in by_id]:
        known = ", ".join(list(by_id)[:20])
        raise CommandError(f"the endpoint does not serve {', '.join(missing)}; it serves {known}", ExitCode.USAGE)
    return [by_id[name] for name in dict.fromkeys(wanted)]


def list_models(
    urls: Sequence[str], api_key: str | None, client: httpx.Client, api: ModelsApi = OPENAI
) -> tuple[str, list[ServedModel]]:
    """Returns the first root of `urls` that lists models, after redirects, and its models.

    Raises:
        EndpointError: No root lists models; the sentence is the most informative one.
    """
    errors: list[EndpointError] = []
    for url in urls:
        try:
            return _models(url, _headers(api, url, api_key), client, api, keyed=bool(api_key))
        except EndpointError as error:
            errors.append(error)
    # A guessed address that does not exist is the least informative error.
    raise max(errors, key=lambda error: error.weight, default=EndpointError("no URL was given"))


def _headers(api: ModelsApi, url: str, api_key: str | None) -> Mapping[str, str]:
    header = api.key_header_at(url)
    key = {header: f"Bearer {api_key}" if header == AUTHORIZATION else api_key} if api_key else {}
    return {**api.headers, **key}


def _models(
    url: str, headers: Mapping[str, str], client: httpx.Client, api: ModelsApi, *, keyed: bool
) -> tuple[str, list[ServedModel]]:
    address = under(url, "/models")
    arrived, document = _page(address, headers, client, keyed=keyed)
    root = _root(arrived)
    found = list(served.models(document, api.provider))
    page, seen = arrived, {str(arrived)}
    while following := served.next_page(document):
        page = _followed(page, following)
        if str(page) in seen or len(seen) >= _MOST_PAGES or _origin(page) != _origin(arrived):
            break
        seen.add(str(page))
        _, document = _page(str(page), headers, client, keyed=keyed)
        found += served.models(document, api.provider)
    if not found:
        raise EndpointError(f"{address} lists no models, or does not speak the API {api.provider}", weight=1)
    first: dict[str, ServedModel] = {}
    for model in found:
        first.setdefault(model.id, model)
    return root, list(first.values())


def _page(address: str, headers: Mapping[str, str], client: httpx.Client, *, keyed: bool) -> tuple[httpx.URL, object]:
    """Returns the URL of one page of a list, after redirects, and its document. The key stays within the origin."""
    url = httpx.URL(address)
    for _ in range(_MOST_REDIRECTS):
        try:
            with client.stream("GET", url, headers=headers, timeout=_TIMEOUT_S, follow_redirects=False) as response:
                body = _body(response, address)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EndpointError(f"{address} cannot be reached: {reason(error)}; does it run, is it right?") from None
        location = response.headers.get("location")
        if not (300 <= response.status_code < 400 and location):
            break
        target = _followed(url, location)
        if _origin(target) != _origin(url) and keyed:
            where = str(target.copy_with(query=None, userinfo=b"")).removesuffix("/models")
            raise EndpointError(f"{address} redirects to {where}: give that address if it is the provider's", weight=4)
        url = target
    if response.status_code in {401, 403}:
        hint = "refused the key" if keyed else "needs an API key: name its environment variable with --api-key-env"
        raise EndpointError(f"{address} {hint}", weight=4)
    if response.status_code != httpx.codes.OK:
        missing = response.status_code in {404, 405}
        raise EndpointError(f"{address} answered HTTP {response.status_code}", weight=0 if missing else 3)
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return url, document


def _followed(url: httpx.URL, location: str) -> httpx.URL:
    """Returns the URL of a redirect or a next page of `url`; a query alone is merged into the current one."""
    try:
        if location.startswith("?"):
            return url.copy_merge_params(dict(parse_qsl(location[1:])))
        return url.join(location)
    except (httpx.InvalidURL, ValueError):
        raise EndpointError(f"{url} leads to an invalid address") from None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _root(arrived: httpx.URL) -> str:
    path = arrived.path.rstrip("/").removesuffix("/models")
    query = urlencode({"api-version": version}) if (version := arrived.params.get("api-version")) else None
    return str(arrived.copy_with(path=path or "/", query=query.encode() if query else None)).rstrip("/")


def _body(response: httpx.Response, address: str) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _MAX_BYTES:
            raise EndpointError(f"{address} sent more than {_MAX_BYTES:,} bytes", weight=3)
    return bytes(body)


def api_key(variable: str | None, environment: Mapping[str, str]) -> str | None:
    """Returns the API key from the environment variable; None if none is named.

    Raises:
        CommandError: The variable is not set.
    """
    if variable is None:
        return None
    key = environment.get(variable)
    if not key and not variable.isupper():
        # It may be the key itself, which no terminal should show.
        raise CommandError(
            "--api-key-env takes the name of an environment variable that is set, not the key", ExitCode.USAGE
        )
    if not key:
        raise CommandError(f"the environment variable {variable} of --api-key-env is not set", ExitCode.USAGE)
    return key
