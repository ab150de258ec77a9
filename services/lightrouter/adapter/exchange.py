"""The request to a provider and the facts of its reply, whatever its API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightrouter.adapter.quirks import NO_QUIRKS, Quirks
from lightrouter.adapter.tool_calls import ToolCallReader
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, OutputSpec, Sampling


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One generation, as the provider gets it."""

    messages: Sequence[ChatMessage]
    """The conversation without the prefill."""
    sampling: Sampling
    """The caller's sampling; the pool entry's defaults fill in what is not set."""
    max_tokens: int | None
    """The most tokens that the model may write now; None leaves the limit to the provider."""
    prefill: str = ""
    """The text that the model has written and goes on from, with hidden reasoning in its tags."""
    prefill_reasoning: str = ""
    """Hidden reasoning that the provider sent in a field of its own and accepts there again."""
    quirks: Quirks = NO_QUIRKS
    """How the request must be put so that the provider accepts it."""
    checkpoint_tokens: int = 0
    """The new tokens after which the caller wants to know how the text stands; less than `max_tokens`; 0 for never."""
    output: OutputSpec = field(default_factory=OutputSpec)
    """The tools that the model may call and the form of its text."""
    is_repeated: bool = False
    """Whether the same conversation was read before or is likely to be read again soon, so that it is worth a place in
    the provider's cache."""

    @property
    def sent_max_tokens(self) -> int | None:
        """The token limit that the provider gets: `max_tokens`, within the bounds that it accepts."""
        if self.max_tokens is None:
            return None
        most = max(self.max_tokens, self.quirks.least_tokens)
        return most if self.quirks.most_tokens is None else min(most, self.quirks.most_tokens)

    @property
    def is_cut(self) -> bool:
        """Whether the adapter must cut the text, because the provider gets a larger limit than `max_tokens`."""
        return self.max_tokens is not None and (self.sent_max_tokens or 0) > self.max_tokens

    @property
    def has_prefill(self) -> bool:
        """Whether the model goes on from a prefill."""
        return bool(self.prefill or self.prefill_reasoning)


class Piece(Protocol):
    """A piece of output; see `TextDelta`."""

    @property
    def text(self) -> str:
        """Visible text."""

    @property
    def reasoning(self) -> str:
        """Hidden reasoning."""

    @property
    def whole(self) -> str:
        """All that it has as one text, to count its tokens."""


@dataclass(slots=True)
class ReplyInfo:
    """The facts of a reply other than its text, filled in as the reply arrives."""

    passes: Callable[[Piece, ReplyInfo], bool] | None = None
    """Counts an event, while the caller looks for a mark; returns whether one lies in it. Events that come together are
    joined up to there."""

    finish_reason: FinishReason.ValueType = FinishReason.FINISH_REASON_UNSPECIFIED
    """Unspecified if the provider gave none, or went on writing after it."""
    at_best: FinishReason.ValueType = FinishReason.FINISH_REASON_UNSPECIFIED
    """The best finish reason that the rest of the reply allows: a text with a tool call is not whole, a refusal is
    withheld text. Unspecified if nothing contradicts a good end."""
    texts: int = 0
    """The number of events with text or reasoning; as a rule, each is one token."""
    written: int | None = None
    """The number of tokens so far, if the provider counts them as it writes; else None."""
    counted_ahead: int | None = None
    """The output tokens that the provider counted before it sent any; None if it does not count so early."""
    ended_with_text: bool = False
    """Whether text came in the same event as the finish reason, so that more may follow."""
    ends_hidden: bool = False
    """Whether the reply ends with hidden reasoning."""
    went_on: bool = False
    """Whether text came after a finish reason, which no longer counts then."""
    called_tools: bool = False
    """Whether the model called a tool."""
    calls: ToolCallReader | None = None
    """Reads the tool calls of an API without rules for them; None if the request offers no tools."""
    state: bytes = b""
    """What the model needs to go on from here in a later turn; opaque."""
    left_out: frozenset[str] = frozenset()
    """The members that the request would have if its provider did not refuse them."""
    unseen: int = 0
    """Tokens that the model wrote and the provider did not show, if the provider gave no counts."""
    model: str = ""
    """The model's name as the provider gave it."""
    accepted: frozenset[str] | None = None
    """The features of the request, once the provider has accepted it; see `refusals.features`."""
    reasoning_member: str = ""
    """The member of the OpenAI API's dialects in which hidden reasoning came; empty if none came."""
    reasoning_details: list[Mapping[str, object]] = field(default_factory=list)
    """Hidden reasoning and its signatures in the form of OpenRouter, as it came."""
    others: list[Mapping[str, object]] = field(default_factory=list)
    """A stream's choices of other indexes than 0, until one of index 0 comes."""
    usage: Mapping[str, object] | None = None
    """The token counts as they came, unchecked; the member names are the OpenAI API's."""
