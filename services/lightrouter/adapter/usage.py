"""Tokens of a generation: the provider's count where it can be true, else the adapter's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lightrouter.runtime.tokens import estimate_tokens, messages_tokens
from lightrouter.v1.chat_pb2 import ChatMessage, Usage

# What providers put around a prompt of their own: templates, instructions, tools.
_INPUT_ALLOWANCE = 16_384
_TOKENS_PER_CHARACTER = 4
# Tokens that end a message, a turn or hidden reasoning leave no text.
_OUTPUT_ALLOWANCE = 64
# The contract's largest output; hidden reasoning that leaves no text fits in it.
_MOST_OUTPUT = 131_072


class Written(NamedTuple):
    """What was sent and what came, to measure counts by; lengths are in characters."""

    prompt: int
    text: int
    reasoning: int
    max_tokens: int | None


def reported(counts: Mapping[str, object] | None, written: Written) -> Usage | None:
    """Returns the provider's count, or None where it gave none or one that cannot be true."""
    if not counts:
        return None
    prompt = _count(counts, "prompt_tokens")
    output = _count(counts, "completion_tokens")
    cached = _detail(counts, "prompt_tokens_details", "cached_tokens")
    if cached == 0:
        # DeepSeek's name.
        cached = _count(counts, "prompt_cache_hit_tokens", missing=0)
    reasoning = _detail(counts, "completion_tokens_details", "reasoning_tokens")
    if prompt is None or output is None or cached is None or reasoning is None:
        return None
    if cached > prompt or reasoning > output or not _plausible(prompt, output, written):
        return None
    if not reasoning and written.reasoning:
        # The provider counted but did not tell them apart: they share as the characters do.
        reasoning = round(output * written.reasoning / (written.text + written.reasoning))
    return Usage(input_tokens=prompt, cached_input_tokens=cached, output_tokens=output, reasoning_tokens=reasoning)


def estimated(messages: Sequence[ChatMessage], lead: str, text: str, reasoning: str) -> Usage:
    """Returns the adapter's own count of a conversation, what the model went on from, and what it wrote."""
    hidden = estimate_tokens(reasoning)
    return Usage(
        input_tokens=messages_tokens(messages) + estimate_tokens(lead),
        output_tokens=estimate_tokens(text) + hidden,
        reasoning_tokens=hidden,
        estimated=True,
    )


def _plausible(prompt: int, output: int, written: Written) -> bool:
    characters = written.text + written.reasoning
    most_output = max(
        characters * _TOKENS_PER_CHARACTER + _OUTPUT_ALLOWANCE,
        2 * written.max_tokens if written.max_tokens else _MOST_OUTPUT,
    )
    most_input = written.prompt * _TOKENS_PER_CHARACTER + _INPUT_ALLOWANCE
    return 0 < prompt <= most_input and (output > 0 or not characters) and output <= most_output


def _count(counts: Mapping[str, object], name: str, missing: int | None = None) -> int | None:
    value = counts.get(name)
    if value is None:
        return missing
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _detail(counts: Mapping[str, object], group: str, name: str) -> int | None:
    details = counts.get(group)
    return _count(details, name, missing=0) if isinstance(details, dict) else 0
