"""The models that an endpoint lists, in the formats of different providers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import urlencode

from lightrouter.cli.listed_abilities import abilities, efforts, goes_on
from lightrouter.pool.schema import MOST_MODEL_CHARACTERS

_MILLION: Final = 1_000_000
_PRICE_NAMES: Final = (
    ("input", ("prompt", "input", "input_tokens")),
    ("cached_input", ("input_cache_read", "input_cache_reads", "cached_input", "cache_read_tokens")),
    ("output", ("completion", "output", "output_tokens")),
)
# A choice: dollars. No model costs so much for a token, and none with a price so little for a million of them.
_MOST_FOR_A_TOKEN: Final = Decimal("0.002")
# Kinds of models that write text, as Together, Fireworks, Novita, GitHub and others name them.
_TEXT_KINDS: Final = frozenset(
    {"chat", "language", "code", "text", "llm", "model", "vlm", "text-generation", "chat-completion", "responses"}
)
_KIND_MEMBERS: Final = ("supports_chat", "type", "model_type", "task", "kind", "mode")
_OUTPUT_MEMBERS: Final = ("output_modalities", "supported_output_modalities")
# Objects with further members of a model: llama.cpp's, DeepInfra's, Cerebras's and GitHub's, OpenRouter's, Venice's.
_HOLDERS: Final = ("meta", "metadata", "limits", "top_provider", "model_spec")
_WINDOW_MEMBERS: Final = (
    *("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens"),
    *("inputTokenLimit", "context_size", "availableContextTokens", "max_sequence_length", "contextLength"),
    *("n_ctx", "n_ctx_train"),
)
"""vLLM; OpenRouter, Together, Fireworks; Groq; Mistral, LM Studio; Anthropic, GitHub; Gemini; Novita; Venice; others;
llama.cpp, of one slot, then as trained."""
_NO_CHAT: Final = re.compile(
    r"(?i)embed|whisper|\btts\b|-tts|tts-|dall-?e|(?:gpt|chatgpt)-image|stable-?diffusion|\bsdxl\b|\bflux\b|imagen|\bveo\b"
    r"|\bsora\b|transcribe|moderation|rerank|\bguard\b|-guard-|prompt-guard|-ocr\b|realtime|speech|\bbge-|\bgte-|\be5-"
    r"|minilm|\baqa\b|orpheus|playai|davinci-002|babbage-002|-audio-|parakeet|kokoro|-image\b|\bclip\b|mpnet|colbert"
    r"|sentence-t|shieldgemma|gpt-audio|\bcanary\b|\bbark\b|\bsonic-\d|\beleven_|recraft|ideogram|playground-v"
    r"|\bwanx?-?\d|\bkling\b|hailuo|\bvoyage-|paraformer|cosyvoice|sensevoice|melotts|deepgram|\blyria\b|seedream"
    r"|seedance|cogview|cogvideo|\binstructor-|\bada-002|roberta|\bstt\b|text2vec|\bm3e\b|\buae-|\basr\b|\bt2[isv]\b"
    r"|\bi2v\b|\bkolors\b|livetranslate|-guard\d|nemoguard|content-safety|-reward\b|nvclip|paraphrase-|-live\b|gemini-live"
    r"|nano-?banana|z-image|-image-\d|\bimage-\d|-video\b|\bmusic-\d|\bvidu|nova-(?:canvas|reel|sonic)|titan-image|\bluma\b"
    r"|\bstability\b|\bsambert|-voice\b|\bmarengo"
    # These write text, but not at /chat/completions.
    r"|gpt-3\.5-turbo-instruct|(?<!sonar-)deep-research|computer-use|\bo\d-pro\b|\bgpt-5(?:\.\d)?-pro\b|\bcodex-mini"
)
# These accept max_completion_tokens and refuse max_tokens.
_REASONS: Final = re.compile(r"(?i)(?:^|/)(?:o\d(?:$|[-.])|gpt-[5-9](?:$|[-.]))")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as the endpoint lists it.

    Attributes:
        id: Its name there.
        owned_by: Its server, as the endpoint says; may be empty.
        context_window: Tokens that it can hold; 0 if the endpoint does not say.
        prices: US dollars per million tokens by kind (input, cached_input, output); None if the endpoint does not say.
        chats: Whether it writes text; false for models that embed, draw, speak or listen.
        abilities: What it can take and give, by the pool's words; None if the endpoint does not say.
        efforts: The reasoning efforts that it knows, by the pool's words.
        goes_on: Whether it is known to go on from a text that it has begun.
    """

    id: str
    owned_by: str = ""
    context_window: int = 0
    prices: Mapping[str, str] | None = None
    chats: bool = True
    abilities: tuple[str, ...] | None = None
    efforts: tuple[str, ...] = ()
    goes_on: bool = False

    @property
    def takes_completion_tokens(self) -> bool:
        """Whether it is known to need the field max_completion_tokens for its token limit."""
        return bool(_REASONS.search(self.id))


def models(document: object, api: str = "openai") -> Iterator[ServedModel]:
    """Yields the models of one page of a list, except those with names that a pool file or a terminal cannot hold."""
    for item in _items(document):
        name = item.get("id") or item.get("name")
        if api == "gemini" and isinstance(name, str):
            name = name.removeprefix("models/")
        if isinstance(name, str) and name.isprintable() and 0 < len(name) <= MOST_MODEL_CHARACTERS:
            owner = item.get("owned_by")
            yield ServedModel(
                id=name,
                owned_by=owner if isinstance(owner, str) else "",
                context_window=_context_window(item),
                prices=_listed_prices(item),
                chats=_chats(name, item),
                abilities=abilities(name, item, api),
                efforts=efforts(item),
                goes_on=goes_on(name),
            )


def next_page(document: object) -> str:
    """Returns the query or the address of the next page; empty if this one is the last."""
    if not isinstance(document, dict):
        return ""
    for name, parameter in (("next_page_token", "page_token"), ("nextPageToken", "pageToken"), ("after", "after")):
        token = document.get(name)
        if isinstance(token, str) and token and document.get("has_more") is not False:
            return f"?{urlencode({parameter: token})}"
    links = document.get("links")
    following = (
        document.get("next") or document.get("next_page") or (links.get("next") if isinstance(links, dict) else None)
    )
    if isinstance(following, str) and following.startswith(("http://", "https://", "/", "?")):
        return following
    last = document.get("last_id") or next((item.get("id") for item in reversed(list(_items(document)))), None)
    if document.get("has_more") is True and isinstance(last, str):
        # Anthropic's name, and the OpenAI API's; each ignores the other's.
        return f"?{urlencode({'after': last, 'after_id': last})}"
    return ""


def _items(document: object) -> Iterator[Mapping[str, object]]:
    listed = document
    if isinstance(document, dict):
        listed = document.get("data") or document.get("models")
    yield from (item for item in (listed if isinstance(listed, list) else ()) if isinstance(item, dict))


def _chats(name: str, item: Mapping[str, object]) -> bool:
    """Returns whether a model writes text, from the list, else from its name."""
    if item.get("active") is False:
        # Groq lists models that it no longer serves.
        return False
    endpoints = item.get("endpoints")
    if isinstance(endpoints, list) and endpoints and all(isinstance(each, str) for each in endpoints):
        return any("chat" in each for each in endpoints)
    methods = item.get("supportedGenerationMethods")
    if isinstance(methods, list):
        return "generateContent" in methods and not _NO_CHAT.search(name)
    capabilities = item.get("capabilities")
    if isinstance(capabilities, dict):
        said = capabilities.get("completion_chat", capabilities.get("chat_completion"))
        if isinstance(said, bool):
            return said
    if outputs := _outputs(item):
        return "text" in outputs and not _NO_CHAT.search(name)
    for member in _KIND_MEMBERS:
        said = item.get(member)
        if isinstance(said, bool):
            return said
        if isinstance(said, str) and said:
            kind = said.lower().replace(" ", "-").replace("_", "-")
            return kind in _TEXT_KINDS and not _NO_CHAT.search(name)
    return not _NO_CHAT.search(name)


def _outputs(item: Mapping[str, object]) -> list[object]:
    """Returns what a model gives out, as the list says; empty if it does not say."""
    architecture = item.get("architecture")
    holders = [item, architecture] if isinstance(architecture, dict) else [item]
    found = [holder.get(member) for holder in holders for member in _OUTPUT_MEMBERS]
    return next((outputs for outputs in found if isinstance(outputs, list)), [])


def _context_window(item: Mapping[str, object]) -> int:
    # Hugging Face's router may ask any of the providers.
    windows = [window for each in _providers(item) if (window := _context_window(each))]
    found = (_number(holder.get(name)) for name in _WINDOW_MEMBERS for holder in _holders(item))
    return min(windows) if windows else next((value for value in found if 0 < value < 2**40), 0)


def _number(value: object) -> int:
    if isinstance(value, str) and value.isdecimal():
        return int(value[:15])
    return value if type(value) is int else 0


def _holders(item: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Returns `item` and the objects inside it that have members of the model."""
    return [item, *(holder for name in _HOLDERS if isinstance(holder := item.get(name), dict))]


def _providers(item: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Returns the providers that a router's list names for a model and that serve it now."""
    listed = item.get("providers")
    each = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [one for one in each if one.get("status", "live") == "live"]


def _listed_prices(item: Mapping[str, object]) -> Mapping[str, str] | None:
    """Returns the prices of a model, of several providers the dearest."""
    found = [_prices(holder.get("pricing")) for holder in (*_holders(item), *_providers(item))]
    known = [prices for prices in found if prices]
    return max(known, key=lambda prices: Decimal(prices["output"]), default=None)


def _prices(pricing: object) -> Mapping[str, str] | None:
    """Returns prices per million: OpenRouter's and Vercel's are per token, Together's and Chutes's per million."""
    if not isinstance(pricing, dict):
        return None
    amounts: dict[str, Decimal] = {}
    for kind, names in _PRICE_NAMES:
        said = next((pricing[name] for name in names if pricing.get(name) is not None), None)
        # Venice states each price in several currencies.
        amount = _dollars(said.get("usd") if isinstance(said, dict) else said)
        if amount is not None:
            amounts[kind] = amount
    most = max(amounts.values(), default=Decimal(0))
    if not most and "prompt" not in pricing:
        # Together lists models without a price at 0.
        return None
    factor = 1 if most >= _MOST_FOR_A_TOKEN else _MILLION
    prices = {kind: f"{amount * factor:.9f}".rstrip("0").rstrip(".") for kind, amount in amounts.items()}
    return prices if {"input", "output"} <= prices.keys() else None


def _dollars(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _MILLION else None
