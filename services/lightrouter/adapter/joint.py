"""The joint between what a model has written and what it goes on with: nothing twice, nothing lost, nothing broken."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.adapter import faults

REPLACEMENT = "\ufffd"
"""What stands for a character whose bytes are not all there."""


def settled(text: str, stops: Sequence[str] = ()) -> int:
    """Returns how much of `text` can be gone on from.

    Not part of it are, at the end: white space, which chat templates and providers strip or not as they like, and which
    belongs to the next token anyway; U+FFFD, which stands for a character whose bytes had not all been written; and the
    half of a stop text, which would be met at the joint by nobody. The model writes them again when it goes on.
    """
    size = len(text) - longest_half(text, stops)
    kept = _without_blanks(text, size)
    if stops and kept < size:
        # White space may have hidden the half of a stop text from the first look.
        kept = _without_blanks(text, kept - longest_half(text[:kept], stops))
    return kept


def _without_blanks(text: str, size: int) -> int:
    while size and (text[size - 1] == REPLACEMENT or text[size - 1].isspace()):
        size -= 1
    return size


def longest_half(text: str, marks: Sequence[str]) -> int:
    """Returns the length of the longest end of `text` that is a begin, but not the whole, of one of `marks`."""
    return max((_half(text, mark) for mark in marks), default=0)


def _half(text: str, mark: str) -> int:
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if text.endswith(mark[:size]):
            return size
    return 0


class HoldBack:
    """Holds back the end of a text that may turn out not to be settled."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = stops
        self._held = ""

    def feed(self, text: str) -> str:
        """Returns what of `text`, and of what was held back, is settled."""
        if self._held:
            text = self._held + text
        size = settled(text, self._stops)
        self._held = text[size:]
        return text[:size]

    def end(self, *, cut: bool) -> str:
        """Returns what was held back: nothing where the output was cut, as the model would write it again."""
        held, self._held = self._held, ""
        return "" if cut else held


class EchoStripper:
    """Takes away the begin of a text where it repeats what the model goes on from."""

    def __init__(self, echo: str) -> None:
        """Expects `echo`; a text that begins with something else is left as it is."""
        self._echo = echo
        self._met = 0

    def feed(self, text: str) -> str:
        """Returns what of `text` is not the echo."""
        if not self._echo:
            return text
        expected = self._echo[self._met : self._met + len(text)]
        if not text.startswith(expected):
            return self.end() + text
        self._met += len(expected)
        if self._met == len(self._echo):
            self._echo = ""
        return text[len(expected) :]

    def end(self) -> str:
        """Returns what was taken for the echo and is none, as the text ended or went on differently."""
        met, self._echo = self._echo[: self._met], ""
        return met


class SurrogateJoiner:
    """Joins characters that JSON escapes as two (surrogates) and that a provider cut between two pieces."""

    def __init__(self) -> None:
        self._high = ""

    def feed(self, text: str) -> str:
        """Returns `text` with whole characters only.

        Raises:
            UpstreamError: Half a character stands alone.
        """
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
            try:
                return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
            except UnicodeDecodeError:
                raise faults.malformed("half a character") from None
        return text

    def end(self, *, cut: bool) -> None:
        """Ends the text.

        Raises:
            UpstreamError: It ends in half a character, and not because the output was cut.
        """
        if self._high and not cut:
            raise faults.malformed("half a character")
