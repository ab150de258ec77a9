"""Cuts a text in the adapter: at a checkpoint, and at a token limit or a stop text that the provider did not get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.adapter import usage
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.text.coalesce import TextDelta, utf8_bytes
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.chat_pb2 import FinishReason

_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
_NOTHING: Final = TextDelta("", "")
# A choice: events with more bytes than this on average are not single tokens.
_LONGEST_TOKEN: Final = 16


class Cut:
    """Cuts the text of one attempt.

    Attributes:
        reached: The finish reason once the text is cut; unspecified before.
        tokens: The tokens so far, hidden reasoning included; 0 if there is neither a limit nor a checkpoint.
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
        self.reached = _UNSPECIFIED
        self.tokens = 0

    @property
    def ahead(self) -> bool:
        """Whether a limit or the checkpoint may still come, so that the place of each token matters."""
        return self._most is not None or self._checkpoint is not None

    def parts(self, delta: TextDelta, info: ReplyInfo) -> tuple[TextDelta, ...]:
        """Returns the part of the provider's next delta that is within the limit; two parts if it has the checkpoint.

        A limit or a checkpoint lies behind its last token, if the text has not ended there: it is never in a delta with
        which the provider gives its finish reason, unless the delta goes beyond it.
        """
        if self.reached != _UNSPECIFIED:
            return (_NOTHING,)
        if not self._counts:
            return (delta,)
        before, tokens = self.tokens, self._count(delta, info)
        self.tokens += tokens
        most, checkpoint = self._most, self._checkpoint
        end = None
        if most is not None and self._passes(most, info):
            self.reached = _LENGTH
            end = _characters(delta, most - before, tokens)
        if checkpoint is None or not self._passes(checkpoint, info):
            return (_between(delta, 0, end),)
        self._checkpoint = None
        middle = _characters(delta, checkpoint - before, tokens)
        return _between(delta, 0, middle), _between(delta._replace(calls=()), middle, end)

    def before_stop(self, delta: TextDelta) -> TextDelta:
        """Returns the part of a delta before a stop text, which always comes in one delta."""
        if not self._stops:
            return delta
        found = min((at for stop in self._stops if (at := delta.text.find(stop)) >= 0), default=None)
        if found is None:
            return delta
        self.reached = FinishReason.FINISH_REASON_STOP
        return TextDelta(delta.text[:found], delta.reasoning, delta.calls)

    def _passes(self, mark: int, info: ReplyInfo) -> bool:
        return self.tokens > mark or (self.tokens == mark and info.finish_reason == _UNSPECIFIED)

    def _count(self, delta: TextDelta, info: ReplyInfo) -> int:
        """Returns the tokens of a delta: by the provider's count, by its events, or by the length of the text."""
        text = delta.whole
        events, self._events = info.texts - self._events, info.texts
        self._bytes += utf8_bytes(text)
        if info.written is not None:
            return info.written - self.tokens
        counted = None if self.tokens else usage.written_tokens(info.usage)
        if counted is not None and counted != info.counted_ahead:
            return counted
        return events if self._bytes <= _LONGEST_TOKEN * self._events else _estimated(text)


def _estimated(text: str) -> int:
    return estimate_tokens(text if text.isascii() else text.encode("utf-8", "replace").decode())


def _characters(delta: TextDelta, room: int, tokens: int) -> int:
    """Returns the characters of the first `room` of the `tokens` of a delta."""
    whole = len(delta.reasoning) + len(delta.text)
    return whole * room // tokens if room < tokens else whole


def _between(delta: TextDelta, begin: int, end: int | None) -> TextDelta:
    """Returns the characters of a delta from `begin` to `end`, None for the last; reasoning comes before text.

    Pieces of tool calls are never divided.
    """
    if not begin and end is None:
        return delta
    hidden = len(delta.reasoning)
    shown = None if end is None else max(end - hidden, 0)
    return TextDelta(delta.text[max(begin - hidden, 0) : shown], delta.reasoning[begin:end], delta.calls)
