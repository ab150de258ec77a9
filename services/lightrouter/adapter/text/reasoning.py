"""Hidden reasoning in tags, as a rule <think>: splits it from the visible text while both stream in."""

from __future__ import annotations

from enum import Enum, auto

from lightrouter.adapter.text.boundary import REPLACEMENT, partial_suffix
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta
from lightrouter.pool.choices import THINK_TAGS, Thinking


class _At(Enum):
    START = auto()
    INSIDE = auto()
    AFTER = auto()
    TEXT = auto()


class ThinkSplitter:
    """Splits the output of a model into visible text and hidden reasoning.

    Only a block at the start of the output, and blocks directly after it, are hidden. Further on, a tag is visible
    text, because an answer may be about tags. White space between a block and the text is neither.

    Attributes:
        head: The text before the visible text, tags included; a prefill begins with it. Empty if nothing was hidden.
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
        """Begins after `head`.

        Args:
            thinking: The way in which the model marks hidden reasoning.
            head: The text before the visible text so far, from an earlier output.
            tags: The opening and the closing tag.
            inside: Whether `head` ends inside a block.
            visible: Whether visible text has come already.
        """
        self._open, self._close = tags
        self._head = [head] if head else []
        self._blanks: list[str] = []
        self._pending = ""
        if thinking is Thinking.OFF or (visible and not inside):
            self._at = _At.TEXT
        elif head:
            self._at = _At.INSIDE if inside else _At.AFTER
        elif thinking is Thinking.OPEN:
            # The chat template writes the opening tag only if the model begins, not if it goes on.
            self._head.append(self._open + "\n")
            self._at = _At.INSIDE
        else:
            self._at = _At.START

    @property
    def head(self) -> str:
        """The text before the visible text."""
        return "".join(self._head)

    @property
    def inside(self) -> bool:
        """Whether a block is open."""
        return self._at is _At.INSIDE

    def feed(self, written: str) -> TextDelta:
        """Takes `written`; returns the output that is settled now."""
        if self._at is _At.TEXT:
            return TextDelta(written, "")
        reasoning: list[str] = []
        if self._at is not _At.INSIDE and not self._pending and written.isspace():
            # A model may write white space without end.
            self._blanks.append(written)
            return NOTHING
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
        """Returns the output that was held back. After a cut it returns nothing: the model writes the end again."""
        pending, self._pending = "".join((*self._blanks, self._pending)), ""
        self._blanks.clear()
        if cut or not pending or self._at is _At.TEXT:
            return NOTHING
        if self._at is _At.INSIDE:
            self._head.append(pending)
            return TextDelta("", pending)
        return TextDelta(pending if self._at is _At.START else pending.lstrip(), "")

    def _hide(self, reasoning: list[str]) -> bool:
        """Moves the content of the block from `_pending` to `reasoning`; returns whether the block has ended."""
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
    """Returns the length of a block's content without a partial closing tag or a partial character at its end."""
    half = partial_suffix(text, (close,))
    return len(text) - half if half else len(text.rstrip(REPLACEMENT))
