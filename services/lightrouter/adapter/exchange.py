"""What a provider is asked and what its reply says, whatever its API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lightrouter.adapter.quirks import NO_QUIRKS, Quirks
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Sampling


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One generation, as a provider is asked for it."""

    messages: Sequence[ChatMessage]
    """The conversation without what the model is to go on from."""
    sampling: Sampling
    """The request's sampling; what is not set in it is the entry's."""
    max_tokens: int | None
    """Most tokens to be written now; None leaves it to the provider."""
    lead: str = ""
    """What the model has written and goes on from, hidden reasoning in its tags included."""
    lead_reasoning: str = ""
    """Hidden reasoning that the provider gave in a field of its own and takes back there."""
    quirks: Quirks = NO_QUIRKS
    """How the request has to be put so that the provider takes it."""

    @property
    def most_asked(self) -> int | None:
        """The token limit that the provider is told: `max_tokens`, within what it takes."""
        if self.max_tokens is None:
            return None
        most = max(self.max_tokens, self.quirks.least_tokens)
        return most if self.quirks.most_tokens is None else min(most, self.quirks.most_tokens)

    @property
    def is_cut(self) -> bool:
        """Whether the text has to be cut here, as the provider is told a larger limit than the one that is wanted."""
        return self.max_tokens is not None and (self.most_asked or 0) > self.max_tokens

    @property
    def goes_on(self) -> bool:
        """Whether the model goes on from something."""
        return bool(self.lead or self.lead_reasoning)


@dataclass(slots=True)
class ReplyInfo:
    """What a provider says about a generation, filled in as it comes."""

    finish_reason: FinishReason.ValueType = FinishReason.FINISH_REASON_UNSPECIFIED
    """Unspecified where the provider gave none, or went on writing after it."""
    at_best: FinishReason.ValueType = FinishReason.FINISH_REASON_UNSPECIFIED
    """How the text ends at best by all else that is known: a tool call is no whole text, a refusal is withheld text.
    Unspecified where nothing speaks against a good end."""
    texts: int = 0
    """Events that brought text or reasoning; as a rule, each is a token."""
    ended_with_text: bool = False
    """Whether text came together with the finish reason, so that more may follow."""
    ends_hidden: bool = False
    """Whether hidden reasoning came last, after all text."""
    went_on: bool = False
    """Whether text came after a finish reason, and took it back."""
    called_tools: bool = False
    """Whether the model called a tool."""
    unseen: int = 0
    """Tokens that were written, and not shown, although the provider gave no counts."""
    model: str = ""
    """The model's name as the provider gave it."""
    taken: frozenset[str] | None = None
    """The features of the request, once the provider has taken it."""
    takes_reasoning_back: bool = False
    """Whether hidden reasoning came in a field that the provider also reads."""
    others: list[Mapping[str, object]] = field(default_factory=list)
    """Choices of other indexes than 0 in a stream, as long as there was none of index 0."""
    usage: Mapping[str, object] | None = None
    """Token counts as they came, unchecked; the members are the OpenAI API's."""
