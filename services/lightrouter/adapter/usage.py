"""The tokens of a generation: the provider's count if it is plausible, else the adapter's estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from lightrouter.runtime.tokens import estimate_tokens, messages_tokens
from lightrouter.v1.chat_pb2 import ChatMessage, Usage

# A choice: the input tokens that providers may add around a prompt, such as templates, instructions and tools.
_INPUT_ALLOWANCE: Final = 16_384
# A byte-level tokenizer needs at most one token a byte, and UTF-8 at most 4 bytes a character.
_TOKENS_PER_CHARACTER: Final = 4
# A choice: the output tokens without text, which end a message, a turn or hidden reasoning.
_OUTPUT_ALLOWANCE: Final = 64
# The largest max_output_tokens in chat.proto; hidden reasoning without text fits in it.
_MOST_OUTPUT: Final = 131_072
# The names of OpenAI's chat completions, then those of OpenAI's Responses API and Anthropic's API, Gemini's, Vercel's
# and Bedrock's, and Ollama's.
_PROMPT: Final = (
    *("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count"),
    *("promptTokens", "inputTokens", "prompt_eval_count"),
)
_OUTPUT: Final = (
    *("completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count"),
    *("completionTokens", "outputTokens", "eval_count"),
)
_TOTAL: Final = ("total_tokens", "totalTokenCount", "total_token_count", "totalTokens")
_REASONING: Final = (
    *("reasoning_tokens", "thinking_tokens", "thoughts_tokens", "thoughtsTokenCount", "thoughts_token_count"),
    "reasoningTokens",
)
_PROMPT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
# DeepSeek's, Moonshot's and Gemini's names.
_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens", "cachedContentTokenCount", "cached_content_token_count")
# Anthropic counts the tokens that it reads from its cache, or writes to it, separately from the input.
_CACHED_BESIDE: Final = "cache_read_input_tokens"
_WRITTEN_TO_CACHE: Final = "cache_creation_input_tokens"


class Written(NamedTuple):
    """The size of a request and its reply, to check counts against; lengths are in characters."""

    prompt: int
    text: int
    reasoning: int
    max_tokens: int | None


class _Output(NamedTuple):
    """The tokens of an output.

    Attributes:
        whole: All of them.
        reasoning: The part that the provider counts as hidden reasoning.
        agreed: Whether the counts agree with each other.
    """

    whole: int
    reasoning: int
    agreed: bool


def merged(before: Mapping[str, object] | None, counts: Mapping[str, object]) -> Mapping[str, object]:
    """Returns `before`, updated by `counts`, for a reply that sends its counts in several places.

    Of two numbers the larger counts: a stream that counts as it goes sends each count again, never smaller.
    """
    if not before:
        return counts
    result = dict(before)
    for name, value in counts.items():
        known = result.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            result[name] = merged(known, value)
        elif isinstance(value, int) and isinstance(known, int):
            result[name] = max(value, known)
        elif value is not None:
            result[name] = value
    return result


def written_tokens(counts: Mapping[str, object] | None) -> int | None:
    """Returns the provider's count of output tokens; None if it gave none."""
    return _count(counts or {}, _OUTPUT)


def reported(counts: Mapping[str, object] | None, written: Written) -> Usage | None:
    """Returns the provider's count; None if it gave none, or an implausible one.

    If its counts contradict each other, the larger ones count and are marked as estimated.
    """
    if not counts:
        return None
    prompt, cached = _input(counts)
    stored = _count(counts, (_WRITTEN_TO_CACHE,), missing=0)
    if prompt is None or cached is None or stored is None or cached + stored > prompt:
        return None
    output = _output(counts, prompt)
    if output is None or not _plausible(prompt, output, written):
        return None
    whole, reasoning, agreed = output
    if not reasoning and written.reasoning:
        # The provider gave one count for both: they share it in proportion to their characters.
        reasoning = round(whole * written.reasoning / (written.text + written.reasoning))
    return Usage(
        input_tokens=prompt,
        cached_input_tokens=cached,
        cache_write_tokens=stored,
        output_tokens=whole,
        reasoning_tokens=reasoning,
        estimated=not agreed,
    )


def estimated(messages: Sequence[ChatMessage], prefill: str, text: str, reasoning: str, *, unseen: int = 0) -> Usage:
    """Returns the adapter's estimate for a conversation, its prefill, and the output.

    `unseen` tokens were hidden reasoning that the provider did not show.
    """
    hidden = estimate_tokens(reasoning) + unseen
    return Usage(
        input_tokens=messages_tokens(messages) + estimate_tokens(prefill),
        output_tokens=estimate_tokens(text) + hidden,
        reasoning_tokens=hidden,
        estimated=True,
    )


def unfinished(reported: Usage | None, estimate: Usage, tokens: int = 0) -> Usage:
    """Returns the usage of a reply before its end, from the provider's count so far and the adapter's estimate.

    The output is `tokens`, which were counted as they came, with the share of hidden reasoning that the estimate has.
    If none were counted, it is the larger of the two counts.
    """
    result = Usage()
    result.CopyFrom(reported or estimate)
    result.estimated = True
    if tokens or estimate.output_tokens > result.output_tokens:
        result.output_tokens = tokens or estimate.output_tokens
        share = estimate.reasoning_tokens / max(1, estimate.output_tokens)
        result.reasoning_tokens = round(result.output_tokens * share)
    return result


def added(one: Usage, other: Usage) -> Usage:
    """Returns the sum of two usages."""
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_input_tokens=one.cached_input_tokens + other.cached_input_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        estimated=one.estimated or other.estimated,
    )


def _input(counts: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Returns the input tokens, and how many of them were cached."""
    prompt = _count(counts, _PROMPT)
    cached = _detail(counts, _PROMPT_DETAILS, ("cached_tokens",))
    if cached == 0:
        # LiteLLM counts what Anthropic read from its cache in the prompt too.
        within = (*_CACHED, _CACHED_BESIDE) if "prompt_tokens" in counts else _CACHED
        cached = _count(counts, within, missing=0)
    if prompt is not None and "prompt_tokens" not in counts:
        beside = _count(counts, (_CACHED_BESIDE,), missing=0) or 0
        prompt += beside + (_count(counts, (_WRITTEN_TO_CACHE,), missing=0) or 0)
        cached = (cached or 0) + beside
    return prompt, cached


def _output(counts: Mapping[str, object], prompt: int) -> _Output | None:
    """Returns the output tokens; None if a count is missing or is no number of tokens.

    Providers count hidden reasoning in the output (OpenAI), separately (xAI), or only in the total (Gemini). The total
    tells which.
    """
    visible = _count(counts, _OUTPUT)
    reasoning = _detail(counts, _OUTPUT_DETAILS, _REASONING)
    if reasoning == 0:
        reasoning = _count(counts, _REASONING, missing=0)
    total = _count(counts, _TOTAL, missing=0)
    if reasoning is None or total is None:
        return None
    rest = total - prompt
    if visible is None:
        said = any(counts.get(name) is not None for name in _OUTPUT)
        return None if said or rest <= 0 else _Output(rest, min(reasoning, rest), agreed=True)
    if rest > visible:
        # Tokens that only the total has were written, but not shown.
        return _Output(rest, max(rest - visible, min(reasoning, rest)), agreed=reasoning in {0, rest - visible})
    beside = visible + reasoning if reasoning > visible else visible
    return _Output(beside, reasoning, agreed=not total or rest == beside)


def _plausible(prompt: int, output: _Output, written: Written) -> bool:
    characters = written.text + written.reasoning
    most_shown = max(
        characters * _TOKENS_PER_CHARACTER + _OUTPUT_ALLOWANCE,
        2 * written.max_tokens if written.max_tokens else _MOST_OUTPUT,
    )
    most_input = written.prompt * _TOKENS_PER_CHARACTER + _INPUT_ALLOWANCE
    shown = output.whole - output.reasoning
    return (
        0 < prompt <= most_input
        and (output.whole > 0 or not characters)
        and shown <= most_shown
        and output.reasoning <= _MOST_OUTPUT
    )


def _count(counts: Mapping[str, object], names: Sequence[str], missing: int | None = None) -> int | None:
    """Returns the first count among `names`, one that is not 0 before others; `missing` if there is none.

    None if it is no number of tokens.
    """
    # Gateways add the names of other APIs, with zeros.
    values = sorted((found for name in names if (found := counts.get(name)) is not None), key=lambda value: not value)
    if not values:
        return missing
    value = values[0]
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _detail(counts: Mapping[str, object], groups: Sequence[str], names: Sequence[str]) -> int | None:
    details = next((found for group in groups if (found := counts.get(group)) is not None), None)
    return _count(details, names, missing=0) if isinstance(details, dict) else 0
