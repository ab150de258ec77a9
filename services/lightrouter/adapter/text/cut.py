"""Cuts a text in the adapter, at a token limit or a stop text that the provider did not get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.adapter import usage
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.chat_pb2 import FinishReason

_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
# A choice: events with more bytes than this on average are not single tokens.
_LONGEST_TOKEN: Final = 16


class Cut:
    """Cuts the text of one attempt.

    Attributes:
        reached: The finish reason once the text is cut; unspecified before.
    """

    def __init__(self, most: int | None, stops: Sequence[str]) -> None:
        """Cuts after `most` tokens, None for no limit, and before the first of `stops`."""
        self._most = most
        self._stops = stops
        self._tokens = 0
        self._events = 0
        self.reached = _UNSPECIFIED

    def within_limit(self, delta: TextDelta, info: ReplyInfo) -> TextDelta:
        """Returns the part of the provider's next delta that is within the limit."""
        if self.reached != _UNSPECIFIED:
            return TextDelta("", "")
        if self._most is None:
            return delta
        tokens, room = self._count(delta, info), self._most - self._tokens
        self._tokens += tokens
        if self._tokens > self._most or (self._tokens == self._most and info.finish_reason == _UNSPECIFIED):
            self.reached = _LENGTH
        return delta if tokens <= room else _share(delta, room, tokens)

    def before_stop(self, delta: TextDelta) -> TextDelta:
        """Returns the part of a delta before a stop text, which always comes in one delta."""
        found = min((at for stop in self._stops if (at := delta.text.find(stop)) >= 0), default=None)
        if found is None:
            return delta
        self.reached = FinishReason.FINISH_REASON_STOP
        return TextDelta(delta.text[:found], delta.reasoning)

    def _count(self, delta: TextDelta, info: ReplyInfo) -> int:
        """Returns the tokens of a delta: by the provider's count, by its events, or by the length of the text."""
        events = info.texts - self._events
        self._events = info.texts
        counted = None if self._tokens else usage.written_tokens(info.usage)
        if counted is not None:
            return counted
        text = delta.text + delta.reasoning
        return events if len(text.encode("utf-8", "replace")) <= _LONGEST_TOKEN * events else _estimated(text)


def _estimated(text: str) -> int:
    return estimate_tokens(text.encode("utf-8", "replace").decode())


def _share(delta: TextDelta, room: int, tokens: int) -> TextDelta:
    """Returns the first `room` of the `tokens` of a delta, by characters; reasoning comes before text."""
    size = (len(delta.reasoning) + len(delta.text)) * room // tokens
    return TextDelta(delta.text[: max(size - len(delta.reasoning), 0)], delta.reasoning[:size])
