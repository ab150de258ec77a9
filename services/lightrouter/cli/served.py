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
    ("cached_input", ("input_cache_read", "cached_input", "cache_read_tokens")),
    ("output", ("completion", "output", "output_tokens")),
)
# Kinds of models that write text, as Together, Fireworks and others name them in `type`.
_TEXT_KINDS: Final = frozenset({"chat", "language", "code", "text", "llm", "model", "vlm", "text-generation"})
_NO_CHAT: Final = re.compile(
    r"(?i)embed|whisper|\btts\b|-tts|tts-|dall-?e|(?:gpt|chatgpt)-image|stable-?diffusion|\bsdxl\b|\bflux\b|imagen|\bveo\b"
    r"|\bsora\b|transcribe|moderation|rerank|\bguard\b|-guard-|prompt-guard|-ocr\b|realtime|speech|\bbge-|\bgte-|\be5-"
    r"|minilm|\baqa\b|orpheus|playai|davinci-002|babbage-002|-audio-|parakeet|kokoro|-image\b|\bclip\b|mpnet|colbert"
    r"|sentence-t|shieldgemma|gpt-audio|\bcanary\b|\bbark\b|\bsonic-\d|\beleven_|recraft|ideogram|playground-v"
    r"|\bwanx?-?\d|\bkling\b|hailuo|\bvoyage-|paraformer|cosyvoice|sensevoice|melotts|deepgram|\blyria\b|seedream"
    r"|seedance|cogview|cogvideo|\binstructor-|\bada-002|roberta|\bstt\b|text2vec|\bm3e\b|\buae-|\basr\b|\bt2[isv]\b"
    r"|\bi2v\b|\bkolors\b|livetranslate"
    # These write text, but not at /chat/completions.
    r"|gpt-3\.5-turbo-instruct|deep-research|computer-use|\bo\d-pro\b|\bgpt-5(?:\.\d)?-pro\b|\bcodex-mini"
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
                prices=_prices(item.get("pricing") or _nested(item).get("pricing")),
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
    following = document.get("next") or document.get("next_page")
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
        return "chat" in endpoints
    methods = item.get("supportedGenerationMethods")
    if isinstance(methods, list):
        return "generateContent" in methods and not _NO_CHAT.search(name)
    capabilities = item.get("capabilities")
    if isinstance(capabilities, dict):
        said = capabilities.get("completion_chat", capabilities.get("chat_completion"))
        if isinstance(said, bool):
            return said
    architecture = item.get("architecture")
    outputs = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    if isinstance(outputs, list) and outputs:
        return "text" in outputs and not _NO_CHAT.search(name)
    for member in ("supports_chat", "type", "task", "kind"):
        said = item.get(member)
        if isinstance(said, bool):
            return said
        if isinstance(said, str) and said:
            return said.lower() in _TEXT_KINDS and not _NO_CHAT.search(name)
    return not _NO_CHAT.search(name)


def _context_window(item: Mapping[str, object]) -> int:
    nested = _nested(item)
    found = (
        item.get("max_model_len"),  # vLLM
        item.get("context_length"),  # OpenRouter, Together, Fireworks
        item.get("context_window"),  # Groq
        item.get("max_context_length"),  # Mistral, LM Studio
        item.get("max_input_tokens"),  # Anthropic
        item.get("inputTokenLimit"),  # Gemini
        item.get("context_size"),  # Novita
        nested.get("context_length"),  # DeepInfra
        nested.get("n_ctx"),  # llama.cpp: of one slot, then as trained
        nested.get("n_ctx_train"),
    )
    return next((value for value in found if type(value) is int and 0 < value < 2**40), 0)


def _nested(item: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the members that llama.cpp (`meta`) and DeepInfra (`metadata`) put into an object of their own."""
    nested = item.get("meta") or item.get("metadata")
    return nested if isinstance(nested, dict) else {}


def _prices(pricing: object) -> Mapping[str, str] | None:
    """Returns prices per million: OpenRouter's are per token (`prompt`), others per million."""
    if not isinstance(pricing, dict):
        return None
    per_token = "prompt" in pricing
    prices: dict[str, str] = {}
    for kind, names in _PRICE_NAMES:
        try:
            name = names[0] if per_token else next((each for each in names[1:] if each in pricing), "")
            amount = Decimal(str(pricing[name])) * (_MILLION if per_token else 1)
        except (KeyError, InvalidOperation):
            continue
        if amount.is_finite() and 0 <= amount < _MILLION:
            prices[kind] = f"{amount:.9f}".rstrip("0").rstrip(".")
    if not per_token and not any(Decimal(price) for price in prices.values()):
        # Together lists models without a price at 0.
        return None
    return prices if {"input", "output"} <= prices.keys() else None
