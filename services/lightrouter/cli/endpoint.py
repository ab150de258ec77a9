"""Lists the models of an OpenAI-compatible endpoint and writes a pool file for them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

import httpx

from lightrouter.cli import served
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.served import ServedModel
from lightrouter.pool.values import AUTHORIZATION, under
from lightrouter.runtime import files
from lightrouter.runtime.document import dump

# Choices: far above the longest list of models seen, and short enough for a person who waits.
_MAX_BYTES: Final = 16 * 2**20
_TIMEOUT_S: Final = 15.0
# The longest DNS label (RFC 1123), which names of Kubernetes objects have to fit.
_MAX_NAME: Final = 63
# Choices: bounds for a server whose pages or redirects never end.
_MOST_PAGES: Final = 50
_MOST_REDIRECTS: Final = 5

# Servers by `owned_by` or host name, and the pool file's lines on how each continues a text.
_CONTINUATIONS: Final = {
    "llamacpp": (
        "continuation: trailing   # llama.cpp continues the last message if it is the assistant's",
        "always_stream: true   # its server stops writing only if a stream is closed",
    ),
    "library": ("continuation: trailing   # Ollama continues the last message if it is the assistant's",),
    "vllm": ("continuation: continue_final_message   # vLLM takes continue_final_message",),
    "sglang": ("continuation: continue_final_message   # SGLang takes continue_final_message",),
    "deepseek": ("continuation: prefix   # DeepSeek takes `prefix: true` under /beta",),
    "mistralai": (
        "continuation: prefix   # Mistral takes `prefix: true`",
        "echoes_prefix: true   # and repeats the prefix in its answer",
    ),
}
_UNKNOWN: Final = (
    "continuation: none   # unknown: drafts are written anew; try trailing, which is cheaper if it works",
)


class EndpointError(CommandError):
    """An endpoint whose models cannot be listed; the text is one sentence.

    Attributes:
        weight: How informative it is, compared with errors of the endpoint's other addresses; higher is better.
    """

    def __init__(self, sentence: str, weight: int = 2) -> None:
        super().__init__(sentence)
        self.weight = weight


def base_urls(url: str) -> list[str]:
    """Returns the root URLs to try for a typed URL, the most likely first.

    Raises:
        CommandError: It is not an http or https URL.
    """
    given = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.URL(given)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise CommandError(f"{url!r} must be an http or https URL like http://localhost:11434", ExitCode.USAGE)
    root = parsed.copy_with(fragment=None)
    path = root.path.rstrip("/").removesuffix("/models").removesuffix("/chat/completions").rstrip("/")
    # Azure's address has its version in the query; keep nothing else of the query.
    versioned = bool(root.params.get("api-version"))
    guesses = [path] if versioned or path.endswith("/v1") else [f"{path}/v1", path]
    query = root.query if versioned else None
    return [str(root.copy_with(path=each or "/", query=query)).rstrip("/") for each in guesses]


def served_by(url: str, api_key_env: str | None) -> tuple[str, list[ServedModel]]:
    """Returns the root of an endpoint and its models; the variable `api_key_env` has the API key, if it is named.

    Raises:
        CommandError: The URL, the variable or the endpoint cannot be used.
    """
    with httpx.Client() as http:
        return list_models(base_urls(url), api_key(api_key_env, os.environ), http)


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


def write(path: Path, text: str) -> None:
    """Replaces the pool file at `path`.

    Raises:
        CommandError: It cannot be written.
    """
    try:
        files.replace(path, text.encode())
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def key_header(base_url: str) -> str:
    """Returns the endpoint's header for the API key: Azure has its own."""
    url = httpx.URL(base_url)
    azure = url.host.endswith((".azure.com", ".azure-api.net", ".azure.us", ".azure.cn")) or "api-version" in url.params
    return "api-key" if azure else AUTHORIZATION


def list_models(urls: Sequence[str], api_key: str | None, client: httpx.Client) -> tuple[str, list[ServedModel]]:
    """Returns the first root of `urls` that lists models, after redirects, and its models.

    Raises:
        EndpointError: No root lists models; the sentence is the most informative one.
    """
    errors: list[EndpointError] = []
    for url in urls:
        try:
            return _models(url, api_key, client)
        except EndpointError as error:
            errors.append(error)
    # A guessed address that does not exist is the least informative error.
    raise max(errors, key=lambda error: error.weight, default=EndpointError("no URL was given"))


def _models(url: str, api_key: str | None, client: httpx.Client) -> tuple[str, list[ServedModel]]:
    address = under(url, "/models")
    arrived, document = _page(address, url, api_key, client)
    root = _root(arrived)
    found = list(served.models(document))
    page, seen = arrived, {str(arrived)}
    while following := served.next_page(document):
        page = _followed(page, following)
        if str(page) in seen or len(seen) >= _MOST_PAGES or _origin(page) != _origin(arrived):
            break
        seen.add(str(page))
        _, document = _page(str(page), url, api_key, client)
        found += served.models(document)
    if not found:
        raise EndpointError(f"{address} lists no models, or is not OpenAI-compatible", weight=1)
    first: dict[str, ServedModel] = {}
    for model in found:
        first.setdefault(model.id, model)
    return root, list(first.values())


def _page(address: str, root: str, api_key: str | None, client: httpx.Client) -> tuple[httpx.URL, object]:
    """Returns the URL of one page of a list, after redirects, and its document. The key stays within the origin."""
    header = key_header(root)
    headers = {header: f"Bearer {api_key}" if header == AUTHORIZATION else api_key} if api_key else {}
    url = httpx.URL(address)
    for _ in range(_MOST_REDIRECTS):
        try:
            with client.stream("GET", url, headers=headers, timeout=_TIMEOUT_S, follow_redirects=False) as response:
                body = _body(response, address)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise EndpointError(f"{address} cannot be reached: {reason}", weight=2) from None
        location = response.headers.get("location")
        if not (300 <= response.status_code < 400 and location):
            break
        target = _followed(url, location)
        if _origin(target) != _origin(url) and api_key:
            where = str(target.copy_with(query=None, userinfo=b"")).removesuffix("/models")
            raise EndpointError(f"{address} redirects to {where}: give that address if it is the provider's", weight=4)
        url = target
    if response.status_code in {401, 403}:
        hint = "refused the key" if api_key else "needs an API key: name its environment variable with --api-key-env"
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


def pool_text(base_url: str, models: Sequence[ServedModel], left_out: int, api_key_env: str | None) -> str:
    """Returns the commented pool file for these models; `left_out` is the number of other served models."""
    return _head(base_url, left_out) + entries_text(base_url, models, api_key_env, set())


def entries_text(
    base_url: str, models: Sequence[ServedModel], api_key_env: str | None, taken: set[str], state: str | None = None
) -> str:
    """Returns the commented entries for these models, with names that are not in `taken`; adds the names to it."""
    return "".join(_entry(base_url, model, _name(model.id, taken), api_key_env, state) for model in models)


def api_key(variable: str | None, environment: Mapping[str, str]) -> str | None:
    """Returns the API key from the environment variable; None if none is named.

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
    header = key_header(base_url)
    if header != AUTHORIZATION:
        continuation = f"api_key_header: {header}   # Azure's header for the key\n    {continuation}"
    if model.takes_completion_tokens:
        continuation += "\n    max_tokens_field: max_completion_tokens   # reasoning models refuse max_tokens"
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
    base_url: {_quoted(asked_root(base_url))}
    model: {_quoted(model.id)}
    {key}
    {continuation}
    {prices}
    {window}
    prior: 0.5   # what you expect of it, 0 to 1, before any prompt is seen
{f"    state: {state}   # until it is evaluated{chr(10)}" if state else ""}"""


def asked_root(base_url: str) -> str:
    """Returns the root URL to call an entry's models, which may differ from the URL that lists them."""
    url = httpx.URL(base_url)
    if url.host == "api.deepseek.com":
        return str(url.copy_with(path="/beta"))
    return base_url


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
    return dump(value).strip()


def _comment(value: str) -> str:
    return "".join(char for char in value if char.isprintable())
