"""Ends a text here, where the provider was not asked to: at the token limit, or at a stop text."""

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
# Events with more bytes than this on the average are no tokens.
_LONGEST_TOKEN: Final = 16


class Cut:
    """Watches the text of one attempt.

    Attributes:
        reached: Why the text ends here; unspecified while it goes on.
    """

    def __init__(self, most: int | None, stops: Sequence[str]) -> None:
        """Ends the text after `most` tokens, None for no limit, and before the first of `stops`."""
        self._most = most
        self._stops = stops
        self._tokens = 0
        self._events = 0
        self.reached = _UNSPECIFIED

    def within_limit(self, piece: TextDelta, said: ReplyInfo) -> TextDelta:
        """Returns what of the provider's next piece is within the limit."""
        if self.reached != _UNSPECIFIED:
            return TextDelta("", "")
        if self._most is None:
            return piece
        tokens, room = self._count(piece, said), self._most - self._tokens
        self._tokens += tokens
        if self._tokens > self._most or (self._tokens == self._most and said.finish_reason == _UNSPECIFIED):
            self.reached = _LENGTH
        return piece if tokens <= room else _share(piece, room, tokens)

    def before_stop(self, piece: TextDelta) -> TextDelta:
        """Returns what of a visible piece stands before a stop text, which comes in one piece."""
        found = min((at for stop in self._stops if (at := piece.text.find(stop)) >= 0), default=None)
        if found is None:
            return piece
        self.reached = FinishReason.FINISH_REASON_STOP
        return TextDelta(piece.text[:found], piece.reasoning)

    def _count(self, piece: TextDelta, said: ReplyInfo) -> int:
        """Returns the tokens of a piece: by the provider's count, by its events, or by the length of the text."""
        events = said.texts - self._events
        self._events = said.texts
        counted = None if self._tokens else usage.written_tokens(said.usage)
        if counted is not None:
            return counted
        text = piece.text + piece.reasoning
        return events if len(text.encode("utf-8", "replace")) <= _LONGEST_TOKEN * events else _estimated(text)


def _estimated(text: str) -> int:
    return estimate_tokens(text.encode("utf-8", "replace").decode())


def _share(piece: TextDelta, room: int, tokens: int) -> TextDelta:
    """Returns the begin of a piece of so many tokens that has `room` of them; reasoning comes before text."""
    size = (len(piece.reasoning) + len(piece.text)) * room // tokens
    return TextDelta(piece.text[: max(size - len(piece.reasoning), 0)], piece.reasoning[:size])
