"""Cuts a text in the adapter: at a checkpoint, and at a token limit or a stop text that the provider did not get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from lightrouter.adapter import usage
from lightrouter.adapter.exchange import Piece, ReplyInfo
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined, utf8_bytes
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.chat_pb2 import FinishReason

_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
# A choice: events with more bytes than this on average are not single tokens.
_LONGEST_TOKEN: Final = 16


class _Place(NamedTuple):
    """A place in a delta: characters of its reasoning and of its text; None for all."""

    reasoning: int | None
    text: int | None


class Cut:
    """Cuts the text of one attempt.

    Attributes:
        reached: The finish reason once the text is cut; unspecified before.
    """

    def __init__(self, most: int | None, stops: Sequence[str], checkpoint: int = 0) -> None:
        """Cuts after `most` tokens, None for no limit, and before the first of `stops`.

        Divides the text after `checkpoint` tokens, 0 for never.
        """
        self._most = most
        self._stops = stops
        self._checkpoint = checkpoint or None
        self._counts = most is not None or checkpoint > 0
        self._events = 0
        self._bytes = 0
        self._ended = False
        # The characters that were counted since the last parts, and the marks in them.
        self._is_counted = False
        self._reasoning = self._text = 0
        self._middle: _Place | None = None
        self._end: _Place | None = None
        self.reached = _UNSPECIFIED
        self._tokens = 0
        # What came after the last mark, which is counted only if somebody asks for the tokens.
        self._uncounted: list[TextDelta] = []
        self._info = ReplyInfo()

    @property
    def tokens(self) -> int:
        """The tokens so far, hidden reasoning included; 0 if there is neither a limit nor a checkpoint."""
        if self._uncounted:
            self._tokens += self._count(joined(self._uncounted), self._info)
            self._uncounted.clear()
        return self._tokens

    @property
    def ahead(self) -> bool:
        """Whether a limit or the checkpoint may still come, so that each event is counted by itself."""
        return self._most is not None or self._checkpoint is not None

    def count(self, delta: Piece, info: ReplyInfo) -> bool:
        """Counts the tokens of an event; returns whether the limit or the checkpoint lies in it.

        A limit or a checkpoint lies behind its last token, if the text has not ended there: it is never in a delta with
        which the provider gives its finish reason, unless the delta goes beyond it.
        """
        tokens = self._count(delta, info)
        self._tokens += tokens
        most, checkpoint, passes = self._most, self._checkpoint, False
        if most is not None and self.reached == _UNSPECIFIED and self._passes(most, info):
            self.reached = _LENGTH
            self._end = self._within(delta, most, tokens)
            passes = True
        if checkpoint is not None and self._passes(checkpoint, info):
            self._checkpoint = None
            self._middle = self._within(delta, checkpoint, tokens)
            passes = True
        self._is_counted = True
        self._reasoning += len(delta.reasoning)
        self._text += len(delta.text)
        return passes

    def parts(self, delta: TextDelta, info: ReplyInfo) -> tuple[TextDelta, ...]:
        """Returns the part of the provider's next delta that is within the limit; two parts if it has the checkpoint.

        The delta is one event, or several that were counted and then joined, of which only the last has a mark.
        """
        if self._ended:
            return (NOTHING,)
        if not self._counts:
            return (delta,)
        if not (self._is_counted or self.ahead):
            self._info = info
            self._uncounted.append(delta)
            return (delta,)
        if not self._is_counted:
            self.count(delta, info)
        middle, end = self._middle, self._end
        self._middle = self._end = None
        self._is_counted = False
        self._reasoning = self._text = 0
        self._ended = end is not None
        if middle is None:
            return (_between(delta, None, end),)
        return _between(delta, None, middle), _between(delta._replace(calls=()), middle, end)

    def before_stop(self, delta: TextDelta) -> TextDelta:
        """Returns the part of a delta before a stop text, which always comes in one delta."""
        if not self._stops:
            return delta
        found = min((at for stop in self._stops if (at := delta.text.find(stop)) >= 0), default=None)
        if found is None:
            return delta
        self.reached = FinishReason.FINISH_REASON_STOP
        self._ended = True
        return TextDelta(delta.text[:found], delta.reasoning, delta.calls)

    def _passes(self, mark: int, info: ReplyInfo) -> bool:
        return self._tokens > mark or (self._tokens == mark and info.finish_reason == _UNSPECIFIED)

    def _within(self, delta: Piece, mark: int, tokens: int) -> _Place:
        """Returns the place of a mark in a delta of `tokens` that is counted now; reasoning comes before text."""
        characters, room = len(delta.reasoning) + len(delta.text), tokens - (self._tokens - mark)
        if room < tokens:
            characters = characters * room // tokens
        hidden = min(characters, len(delta.reasoning))
        return _Place(self._reasoning + hidden, self._text + characters - hidden)

    def _count(self, delta: Piece, info: ReplyInfo) -> int:
        """Returns the tokens of a delta: by the provider's count, by its events, or by the length of the text."""
        text = delta.whole
        events, self._events = info.texts - self._events, info.texts
        self._bytes += utf8_bytes(text)
        if info.written is not None:
            return info.written - self._tokens
        counted = usage.written_tokens(info.usage) if info.usage and not self._tokens else None
        if counted is not None and counted != info.counted_ahead:
            return counted
        if self._bytes <= _LONGEST_TOKEN * self._events:
            return events
        return estimate_tokens(text if text.isascii() else text.encode("utf-8", "replace").decode())


def _between(delta: TextDelta, begin: _Place | None, end: _Place | None) -> TextDelta:
    """Returns what a delta has from `begin`, None for the first, to `end`, None for the last.

    Pieces of tool calls are never divided.
    """
    if begin is None and end is None:
        return delta
    first, last = begin or _Place(0, 0), end or _Place(None, None)
    return TextDelta(delta.text[first.text : last.text], delta.reasoning[first.reasoning : last.reasoning], delta.calls)
