"""The boundary between a text and its continuation: nothing comes twice, is lost, or is broken in two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

REPLACEMENT = "\ufffd"
"""The character that decoders put for incomplete bytes."""

# All characters of `str.isspace`, and the replacement character.
_BLANKS: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000" + REPLACEMENT
)


def stable_length(text: str, stops: Sequence[str] = ()) -> int:
    """Returns the length of the part of `text` from which a model can go on.

    It leaves out three things at the end, which the model writes again when it goes on: white space, because some chat
    templates and providers strip it and it belongs to the next token; U+FFFD, because the bytes of its character are
    incomplete; and the first part of a stop text, because nobody would find a stop text across the boundary.
    Example: 'Hello wor \ufffd' has 9 stable characters.
    """
    if not stops:
        return len(text.rstrip(_BLANKS))
    size = len(text) - partial_suffix(text, stops)
    kept = text[:size].rstrip(_BLANKS)
    if len(kept) < size:
        # White space may have hidden the first part of a stop text.
        kept = kept[: len(kept) - partial_suffix(kept, stops)].rstrip(_BLANKS)
    return len(kept)


def is_blank(text: str) -> bool:
    """Returns whether `text` has only white space and replacement characters."""
    return not text.strip(_BLANKS)


def partial_suffix(text: str, marks: Sequence[str]) -> int:
    """Returns the length of the longest suffix of `text` that is a proper prefix of one of `marks`."""
    return max((_partial_suffix(text, mark) for mark in marks), default=0)


def _partial_suffix(text: str, mark: str) -> int:
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if text.endswith(mark[:size]):
            return size
    return 0


class TailBuffer:
    """Holds back the end of a text until it is stable."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        """Holds back the first part of any of `stops`, too."""
        self._stops = stops
        self._held: list[str] = []

    def feed(self, text: str) -> str:
        """Takes `text`; returns the text that is stable now."""
        if self._held or not text:
            if text:
                self._held.append(text)
            if is_blank(text):
                # White space makes nothing stable, and a model may write it without end.
                return ""
            text = "".join(self._held)
        size = stable_length(text, self._stops)
        self._held = [text[size:]] if size < len(text) else []
        return text[:size]

    def end(self, *, cut: bool) -> str:
        """Returns the text that was held back; nothing after a cut, because the model writes it again."""
        held = "".join(self._held)
        self._held.clear()
        return "" if cut else held


class SurrogateJoiner:
    """Joins the two surrogates of a character that a provider split between two events.

    A surrogate alone becomes U+FFFD, so that it costs one character and not the text.
    """

    def __init__(self) -> None:
        self._high = ""

    def feed(self, text: str) -> str:
        """Takes `text`; returns it with whole characters only."""
        if not self._high and text.isascii():
            return text
        text = self._high + text
        self._high = ""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                self._high = text[-1]
                text = text[:-1]
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def end(self, *, cut: bool) -> str:
        """Returns U+FFFD if a surrogate was held back; nothing after a cut, because the model writes it again."""
        high, self._high = self._high, ""
        return "" if cut or not high else REPLACEMENT
