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
# A choice: whole texts have some four characters a token, and pages of rules and white space up to some 20.
_MOST_CHARACTERS_PER_TOKEN: Final = 32
# A choice, for a count that is missing: the usual characters of a token.
_CHARACTERS_PER_TOKEN: Final = 4
# The names of OpenAI's chat completions, then those of OpenAI's Responses API and Anthropic's API, Gemini's, Vercel's
# and Bedrock's, and Ollama's.
_OPENAI_PROMPT: Final = "prompt_tokens"
_PROMPT: Final = (
    *(_OPENAI_PROMPT, "input_tokens", "promptTokenCount", "prompt_token_count"),
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
_PROMPT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "prompt_token_details", "inputTokenDetails")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "outputTokenDetails")
# OpenAI's name, and those of DeepSeek, Mistral, Gemini and Vercel.
_CACHED: Final = (
    *("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cachedContentTokenCount"),
    *("cached_content_token_count", "cachedInputTokens", "cacheReadTokens"),
)
# Anthropic and Bedrock count the tokens that they read from a cache, or write to it, separately from the input.
_CACHED_BESIDE: Final = ("cache_read_input_tokens", "cacheReadInputTokens")
_WRITTEN_TO_CACHE: Final = ("cache_creation_input_tokens", "cacheWriteInputTokens")
# Names of the same within details: OpenRouter's, LiteLLM's, Alibaba's and Vercel's.
_WRITTEN_WITHIN: Final = (*_WRITTEN_TO_CACHE, "cache_write_tokens", "cache_creation_tokens", "cacheWriteTokens")
# Anthropic's counts by the time that the cache keeps them.
_WRITTEN_BY_TIME: Final = "cache_creation"
# The counts beside each other in a reply.
_KINDS: Final = {
    name: kind
    for kind in (_PROMPT, _OUTPUT, _TOTAL, _REASONING, _CACHED, _CACHED_BESIDE, _WRITTEN_TO_CACHE)
    for name in kind
}
# A choice: no call has a hundredth of it, and a sum of several fits in 64 bits.
_MOST_COUNT: Final = 10**9


class Written(NamedTuple):
    """The size of a request and its reply, to check counts against; lengths are in characters."""

    prompt: int
    text: int
    reasoning: int
    max_tokens: int | None


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
        elif (before_it := tokens(known)) is None:
            result[name] = known if value is None else value
        else:
            result[name] = max(before_it, tokens(value) or 0)
    return result


def tokens(value: object) -> int | None:
    """Returns a number of tokens, also from a whole float or digits in a text; None if it is none."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) <= len(str(_MOST_COUNT)) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNT else None


def written_tokens(counts: Mapping[str, object] | None) -> int | None:
    """Returns the provider's count of output tokens; None if it gave none."""
    return _Counts(counts).most.get(_OUTPUT) if counts else None


def reported(counts: Mapping[str, object] | None, written: Written) -> Usage | None:
    """Returns the provider's count; None if it gave none, or an implausible one.

    If its counts contradict each other, or one is missing or no number of tokens, those that cost more count, and the
    usage is marked as estimated.
    """
    if not counts:
        return None
    said = _Counts(counts)
    usage = _input(said)
    output = said.most.get(_OUTPUT, 0)
    total = said.most.get(_TOTAL, 0)
    if not usage.input_tokens:
        # What is missing is in the total, or is estimated from the prompt.
        said.agreed = False
        usage.input_tokens = total - output if 0 < output < total else written.prompt // _CHARACTERS_PER_TOKEN + 1
    if usage.cached_input_tokens + usage.cache_write_tokens > usage.input_tokens:
        # Counted beside the input, against the API's rules.
        usage.input_tokens += usage.cached_input_tokens + usage.cache_write_tokens
        said.agreed &= total == usage.input_tokens + output
    _add_output(usage, said, total - usage.input_tokens if total else None, written)
    if not _plausible(usage, written):
        return None
    if not usage.reasoning_tokens and written.reasoning:
        # The provider gave one count for both: they share it in proportion to their characters.
        share = written.reasoning / (written.text + written.reasoning)
        usage.reasoning_tokens = round(usage.output_tokens * share)
    usage.estimated = not said.agreed
    return usage


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


def added(one: Usage, other: Usage | None) -> Usage:
    """Returns the sum of two usages; the first if there is no other."""
    if other is None:
        return one
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_input_tokens=one.cached_input_tokens + other.cached_input_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        estimated=one.estimated or other.estimated,
    )


class _Counts:
    """The counts of a reply by their many names."""

    def __init__(self, counts: Mapping[str, object]) -> None:
        """Reads `counts`."""
        self._counts = counts
        self.agreed = True
        """Whether all that was read are numbers of tokens, and agree with each other."""
        self.most: dict[Sequence[str], int] = {}
        """The largest of the counts by the names of one kind, for each kind that has one."""
        for name, value in counts.items():
            kind = _KINDS.get(name)
            if kind is not None and (count := self._number(value)) is not None:
                self.most[kind] = max(count, self.most.get(kind, 0))

    def has(self, name: str) -> bool:
        """Tells whether a count of this name is more than 0."""
        return bool(tokens(self._counts.get(name)))

    def detail(self, groups: Sequence[str], names: Sequence[str]) -> int:
        """Returns the largest of the counts by these names within the members `groups`; 0 without one."""
        found = [details for group in groups if isinstance(details := self._counts.get(group), dict)]
        return max((self._number(details.get(name)) or 0 for details in found for name in names), default=0)

    def _number(self, value: object) -> int | None:
        count = None if value is None else tokens(value)
        self.agreed &= count is not None or value is None
        return count

    def sum(self, group: str) -> int:
        """Returns the sum of the counts within a member; 0 without one."""
        parts = self._counts.get(group)
        return sum(tokens(value) or 0 for value in parts.values()) if isinstance(parts, dict) else 0


def _input(said: _Counts) -> Usage:
    """Returns the input tokens, and how many of them were read from the provider's cache or written to it."""
    most = said.most.get
    prompt, beside = most(_PROMPT, 0), most(_CACHED_BESIDE, 0)
    cached = max(said.detail(_PROMPT_DETAILS, _CACHED), most(_CACHED, 0))
    stored = max(most(_WRITTEN_TO_CACHE, 0), said.sum(_WRITTEN_BY_TIME))
    if said.has(_OPENAI_PROMPT):
        # LiteLLM counts what Anthropic read from its cache in the prompt too.
        stored = max(stored, said.detail(_PROMPT_DETAILS, _WRITTEN_WITHIN))
        return Usage(input_tokens=prompt, cached_input_tokens=cached or beside, cache_write_tokens=stored)
    within = 0 if stored else said.detail(_PROMPT_DETAILS, _WRITTEN_WITHIN)
    return Usage(
        input_tokens=prompt + beside + stored if prompt else 0,
        cached_input_tokens=cached + beside,
        cache_write_tokens=stored + within,
    )


def _add_output(usage: Usage, said: _Counts, rest: int | None, written: Written) -> None:
    """Fills in the output tokens; `rest` is what the total has beside the input, None without a total.

    Providers count hidden reasoning in the output (OpenAI), separately (xAI), or only in the total (Gemini). The total
    tells which.
    """
    visible = said.most.get(_OUTPUT)
    reasoning = max(said.detail(_OUTPUT_DETAILS, _REASONING), said.most.get(_REASONING, 0))
    if visible is None:
        whole = max(rest or 0, 0)
        hidden = max(min(reasoning, whole), whole - _most_tokens(written))
        usage.output_tokens, usage.reasoning_tokens = whole, hidden
    elif rest is not None and rest > visible:
        # Tokens that only the total has were written, but not shown.
        usage.output_tokens, usage.reasoning_tokens = rest, max(rest - visible, min(reasoning, rest))
        said.agreed &= reasoning in {0, rest - visible}
    else:
        usage.output_tokens = visible + reasoning if reasoning > visible else visible
        usage.reasoning_tokens = reasoning
        said.agreed &= rest is None or rest == usage.output_tokens


def _plausible(usage: Usage, written: Written) -> bool:
    most_shown = max(_most_tokens(written), 2 * written.max_tokens if written.max_tokens else _MOST_OUTPUT)
    most_input = written.prompt * _TOKENS_PER_CHARACTER + _INPUT_ALLOWANCE
    return (
        usage.input_tokens <= most_input
        and usage.output_tokens * _MOST_CHARACTERS_PER_TOKEN >= written.text + written.reasoning
        and usage.output_tokens - usage.reasoning_tokens <= most_shown
        and usage.reasoning_tokens <= _MOST_OUTPUT
    )


def _most_tokens(written: Written) -> int:
    """Returns the maximum number of tokens of what the reply shows."""
    return (written.text + written.reasoning) * _TOKENS_PER_CHARACTER + _OUTPUT_ALLOWANCE
