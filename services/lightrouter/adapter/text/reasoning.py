"""Hidden reasoning in tags, <think> as a rule, kept apart from visible text while both come in arbitrary pieces."""

from __future__ import annotations

from enum import Enum, auto

from lightrouter.adapter.text.boundary import REPLACEMENT, partial_suffix
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.pool.schema import THINK_TAGS, Thinking


class _At(Enum):
    START = auto()
    INSIDE = auto()
    AFTER = auto()
    TEXT = auto()


class ThinkSplitter:
    """Splits what a model writes into visible text and hidden reasoning.

    Only a block at the begin of the output, and blocks right behind it, are hidden: further on, a tag is text that may
    well speak of tags. White space between a block and the text is neither.

    Attributes:
        head: All that was written before the visible text, tags included; what the model is to be given back, before
            the text, to go on. Empty where nothing was hidden.
    """

    def __init__(
        self,
        thinking: Thinking,
        head: str = "",
        tags: tuple[str, str] = THINK_TAGS,
        *,
        inside: bool = False,
        visible: bool = False,
    ) -> None:
        """Goes on after `head`, `inside` of a block between `tags` or not, and after `visible` text or not."""
        self._open, self._close = tags
        self._head = [head] if head else []
        self._blanks: list[str] = []
        self._pending = ""
        if thinking is Thinking.OFF or (visible and not inside):
            self._at = _At.TEXT
        elif head:
            self._at = _At.INSIDE if inside else _At.AFTER
        elif thinking is Thinking.OPEN:
            # The chat template writes this only where the model begins, not where it goes on.
            self._head.append(self._open + "\n")
            self._at = _At.INSIDE
        else:
            self._at = _At.START

    @property
    def head(self) -> str:
        """All that was written before the visible text."""
        return "".join(self._head)

    @property
    def inside(self) -> bool:
        """Whether a block is open."""
        return self._at is _At.INSIDE

    def feed(self, written: str) -> TextDelta:
        """Returns what of `written`, and of what was held back, is decided now."""
        if self._at is _At.TEXT:
            return TextDelta(written, "")
        reasoning: list[str] = []
        if self._at is not _At.INSIDE and not self._pending and written.isspace():
            # A model may write white space without end.
            self._blanks.append(written)
            return TextDelta("", "")
        self._pending = "".join((*self._blanks, self._pending, written))
        self._blanks.clear()
        while self._pending:
            if self._at is _At.INSIDE:
                if not self._hide(reasoning):
                    break
                continue
            begun = self._pending.lstrip()
            if begun.startswith(self._open):
                size = len(self._pending) - len(begun) + len(self._open)
                self._head.append(self._pending[:size])
                self._pending = self._pending[size:]
                self._at = _At.INSIDE
            elif not begun:
                self._blanks.append(self._pending)
                self._pending = ""
            elif self._open.startswith(begun):
                break
            else:
                return TextDelta(self._begin_text(begun), "".join(reasoning))
        return TextDelta("", "".join(reasoning))

    def end(self, *, cut: bool) -> TextDelta:
        """Returns what was held back. Where the output was cut, halves are dropped: they are written again."""
        pending, self._pending = "".join((*self._blanks, self._pending)), ""
        self._blanks.clear()
        if cut or not pending or self._at is _At.TEXT:
            return TextDelta("", "")
        if self._at is _At.INSIDE:
            self._head.append(pending)
            return TextDelta("", pending)
        return TextDelta(pending if self._at is _At.START else pending.lstrip(), "")

    def _hide(self, reasoning: list[str]) -> bool:
        """Moves the block's inside from `_pending` to `reasoning`; returns whether the block has ended."""
        found = self._pending.find(self._close)
        ended = found >= 0
        size = found if ended else _decided(self._pending, self._close)
        reasoning.append(self._pending[:size])
        if ended:
            size += len(self._close)
            self._at = _At.AFTER
        self._head.append(self._pending[:size])
        self._pending = self._pending[size:]
        return ended

    def _begin_text(self, begun: str) -> str:
        pending, self._pending = self._pending, ""
        if self._at is _At.AFTER:
            self._head.append(pending[: len(pending) - len(begun)])
            pending = begun
        self._at = _At.TEXT
        return pending


def _decided(text: str, close: str) -> int:
    """Returns how much of the inside of a block is neither the half of its end nor that of a character."""
    half = partial_suffix(text, (close,))
    return len(text) - half if half else len(text.rstrip(REPLACEMENT))
