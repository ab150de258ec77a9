"""The commented entries of a pool file for models that an endpoint serves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import httpx

from lightrouter.cli.modelapis import OPENAI, ModelsApi
from lightrouter.cli.pricelist import ListedModel, listed
from lightrouter.cli.served import ServedModel
from lightrouter.runtime.document import dump

# The longest DNS label (RFC 1123), which names of Kubernetes objects have to fit.
_MAX_NAME: Final = 63

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
_TRAILING: Final = ("continuation: trailing   # it goes on from a last message of the assistant",)
_ANEW: Final = ("continuation: none   # newer models refuse to go on from a text; drafts are written anew",)
_UNKNOWN: Final = (
    "continuation: none   # unknown: drafts are written anew; try trailing, which is cheaper if it works",
)


def pool_text(
    base_url: str, models: Sequence[ServedModel], left_out: int, api_key_env: str | None, api: ModelsApi = OPENAI
) -> str:
    """Returns the commented pool file for these models; `left_out` is the number of other served models."""
    return _head(base_url, left_out) + entries_text(base_url, models, api_key_env, set(), api=api)


def entries_text(
    base_url: str,
    models: Sequence[ServedModel],
    api_key_env: str | None,
    taken: set[str],
    state: str | None = None,
    api: ModelsApi = OPENAI,
) -> str:
    """Returns the commented entries for these models, with names that are not in `taken`; adds the names to it."""
    return "".join(_entry(base_url, model, _name(model.id, taken), api_key_env, state, api) for model in models)


def _head(base_url: str, left_out: int) -> str:
    more = f"# {left_out} more models are served; `lightrouter pool init --model ID` chooses.\n" if left_out else ""
    return f"""\
# The pool of LightRouter: the candidates that may answer. Saved changes take effect without a restart.
# Written by `lightrouter pool init` from {_comment(base_url)}/models.
{more}#
# judge: NAME          # the candidate that ranks for the selector `llm`; default: the one with the best prior
# synthesizer: NAME    # the candidate that merges drafts; default: the best-ranked one
candidates:
"""


def _entry(
    base_url: str, model: ServedModel, name: str, api_key_env: str | None, state: str | None, api: ModelsApi
) -> str:
    continuation = "\n    ".join(_continuation(base_url, model, api))
    header = api.key_header_at(base_url)
    deployment = ""
    if header != api.key_header:
        deployment = "   # Azure wants the name of your deployment, which may differ"
        continuation = f"api_key_header: {header}   # Azure's header for the key\n    {continuation}"
    if api is OPENAI and model.takes_completion_tokens:
        continuation += "\n    max_tokens_field: max_completion_tokens   # reasoning models refuse max_tokens"
    key = f"api_key_env: {api_key_env}" if api_key_env else "# api_key_env: NAME      # the variable with the API key"
    known = listed(api.provider, base_url, model.id)
    tokens = model.context_window or (known.context_window if known else 0)
    window = f"context_window: {tokens}" if tokens else "# context_window: 8192     # fill in"
    return f"""\
  - name: {_quoted(name)}
    provider: {api.provider}
    base_url: {_quoted(asked_root(base_url))}
    model: {_quoted(model.id)}{deployment}
    {key}
    {continuation}
    {_prices(model, known)}
    {window}
    {_abilities(model)}
    prior: 0.5   # what you expect of it, 0 to 1, before any prompt is seen
{f"    state: {state}   # until it is evaluated{chr(10)}" if state else ""}"""


def asked_root(base_url: str) -> str:
    """Returns the root URL to call an entry's models, which may differ from the URL that lists them."""
    url = httpx.URL(base_url)
    if url.host == "api.deepseek.com":
        return str(url.copy_with(path="/beta"))
    return base_url


def _prices(model: ServedModel, known: ListedModel | None) -> str:
    if model.prices:
        return f"prices: {_flow(model.prices)}   # US dollars per million tokens, as the endpoint says"
    if known:
        return f"prices: {_flow(known.prices)}   # US dollars per million tokens, from {known.source}"
    return (
        'prices: {input: "0", cached_input: "0", output: "0"}   # fill in: US dollars per million tokens;'
        " 0 for a model on your own machine"
    )


def _flow(value: object) -> str:
    """Returns prices on one line of YAML."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_flow(item)}' for name, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _abilities(model: ServedModel) -> str:
    if model.abilities is None:
        return "# abilities: [tools, json_schema, images]   # unknown: it is asked for anything"
    efforts = f"\n    reasoning_efforts: [{', '.join(model.efforts)}]" if model.efforts else ""
    return f"abilities: [{', '.join(model.abilities)}]{efforts}"


def _continuation(base_url: str, model: ServedModel, api: ModelsApi) -> tuple[str, ...]:
    if api is not OPENAI:
        return _TRAILING if model.goes_on else _ANEW
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
