"""Cumulative streams: each event has the whole text so far, although it should have only the new part."""

from __future__ import annotations

from typing import Final

# Choices: with fewer different characters, or a shorter first text, two events may agree by chance.
_VARIED: Final = 3
_LONG: Final = 12


class CumulativeText:
    """Removes from each event the text that earlier events had.

    It holds back the second text if that begins with the first. The third text tells: if it begins with the second, the
    stream is cumulative.
    """

    def __init__(self) -> None:
        self._grows: bool | None = None
        self._texts = 0
        self._first = ""
        self._whole = ""

    @property
    def holds(self) -> bool:
        """Whether a text is held back now."""
        return self._grows is None and self._texts > 1

    def feed(self, text: str) -> str:
        """Takes the text of an event; returns its new part."""
        if self._grows is False or not text:
            return text
        if self._grows:
            return self._new(text)
        self._texts += 1
        if self._texts == 1:
            self._first = text
            return text
        if self._texts == 2:
            if _is_grown(self._first, text):
                self._whole = text
                return ""
            self._grows = False
            return text
        self._grows = _is_grown(self._whole, text) and len(set(text)) >= _VARIED
        if not self._grows:
            return self._whole + text
        return self._whole[len(self._first) :] + self._new(text)

    def end(self) -> str:
        """Returns the text that was held back."""
        if not self.holds:
            return ""
        self._grows = len(self._first) >= _LONG and len(set(self._first)) >= _VARIED
        return self._whole[len(self._first) :] if self._grows else self._whole

    def _new(self, text: str) -> str:
        if not text.startswith(self._whole):
            # The last event may have only the rest; a prefix of the text was given out already.
            return "" if self._whole.startswith(text) else text
        new = text[len(self._whole) :]
        self._whole = text
        return new


def _is_grown(before: str, text: str) -> bool:
    return len(text) > len(before) and text.startswith(before)
