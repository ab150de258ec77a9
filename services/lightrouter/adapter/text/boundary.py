"""The joint between what a model has written and what it goes on with: nothing twice, nothing lost, nothing broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

REPLACEMENT = "\ufffd"
"""What stands for a character whose bytes are not all there."""

# All that `str.isspace` knows, and what stands for half a character.
_BLANKS: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000" + REPLACEMENT
)


def stable_length(text: str, stops: Sequence[str] = ()) -> int:
    """Returns how much of `text` can be gone on from.

    Not part of it are, at the end: white space, which chat templates and providers strip or not as they like, and which
    belongs to the next token anyway; U+FFFD, which stands for a character whose bytes had not all been written; and the
    half of a stop text, which would be met at the joint by nobody. The model writes them again when it goes on.
    """
    size = len(text) - partial_suffix(text, stops)
    kept = text[:size].rstrip(_BLANKS)
    if stops and len(kept) < size:
        # White space may have hidden the half of a stop text from the first look.
        kept = kept[: len(kept) - partial_suffix(kept, stops)].rstrip(_BLANKS)
    return len(kept)


def is_blank(text: str) -> bool:
    """Returns whether `text` is white space, or stands for halves of characters, throughout."""
    return not text.strip(_BLANKS)


def partial_suffix(text: str, marks: Sequence[str]) -> int:
    """Returns the length of the longest end of `text` that is a begin, but not the whole, of one of `marks`."""
    return max((_partial_suffix(text, mark) for mark in marks), default=0)


def _partial_suffix(text: str, mark: str) -> int:
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if text.endswith(mark[:size]):
            return size
    return 0


class TailBuffer:
    """Holds back the end of a text that may turn out not to be settled."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = stops
        self._held: list[str] = []

    def feed(self, text: str) -> str:
        """Returns what of `text`, and of what was held back, is settled."""
        if self._held or not text:
            if text:
                self._held.append(text)
            if is_blank(text):
                # White space settles nothing, and a model may write it without end.
                return ""
            text = "".join(self._held)
        size = stable_length(text, self._stops)
        self._held = [text[size:]] if size < len(text) else []
        return text[:size]

    def end(self, *, cut: bool) -> str:
        """Returns what was held back: nothing where the output was cut, as the model would write it again."""
        held = "".join(self._held)
        self._held.clear()
        return "" if cut else held


class SurrogateJoiner:
    """Joins characters that JSON escapes as two (surrogates) and that a provider cut between two pieces.

    A half that stands alone becomes U+FFFD: it costs a character, not the text.
    """

    def __init__(self) -> None:
        self._high = ""

    def feed(self, text: str) -> str:
        """Returns `text` with whole characters only."""
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
        """Returns what stands for a half that the text ends in; nothing where the output was cut, as it goes on."""
        high, self._high = self._high, ""
        return "" if cut or not high else REPLACEMENT
