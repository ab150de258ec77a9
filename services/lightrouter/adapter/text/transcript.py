"""The text of one generation on its way from the provider to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.adapter.text.boundary import SurrogateJoiner, TailBuffer
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.adapter.text.opening import Joint, Opening
from lightrouter.adapter.text.reasoning import ThinkSplitter


class Transcript:
    """Takes what a provider sends and gives out what the caller gets, hidden reasoning apart.

    Attributes:
        characters: How many characters of visible text were given out.
        reasoning_characters: How many of hidden reasoning.
        blank: Whether nothing but white space has come.
        ends_hidden: Whether hidden reasoning came last.
    """

    def __init__(
        self, splitter: ThinkSplitter, opening: Opening, *, anew: ThinkSplitter, stops: Sequence[str] = ()
    ) -> None:
        """Takes a provider's output.

        Args:
            splitter: Splits text that goes on.
            opening: Finds out whether the output goes on.
            anew: Splits text that starts anew.
            stops: The texts that end the output.
        """
        self._splitter = splitter
        self._opening = opening
        self._anew = anew
        self._joiner = SurrogateJoiner()
        self._reasoning_joiner = SurrogateJoiner()
        self._hold_back = TailBuffer(stops)
        self._field_reasoning: list[str] = []
        self.characters = 0
        self.reasoning_characters = 0
        self.blank = True
        self.ends_hidden = False

    @property
    def joint(self) -> Joint | None:
        """What the output does with the text that it was to go on from; None while that is not known."""
        return self._opening.joint

    @property
    def field_reasoning(self) -> str:
        """Hidden reasoning that came in a field of its own."""
        return "".join(self._field_reasoning)

    @property
    def head(self) -> str:
        """All that was written before the visible text, hidden reasoning in its tags."""
        return self._splitter.head

    @property
    def inside(self) -> bool:
        """Whether `head` ends within hidden reasoning."""
        return self._splitter.inside

    def feed(self, piece: TextDelta) -> TextDelta:
        """Returns what can be given out after `piece` has come; either part may be empty."""
        reasoning = piece.reasoning
        if reasoning:
            reasoning = self._reasoning_joiner.feed(reasoning)
            self._field_reasoning.append(reasoning)
            self.blank = False
        if not piece.text:
            return self._out("", reasoning)
        text = self._joiner.feed(piece.text)
        if self.blank and text and not text.isspace():
            self.blank = False
        split = self._split(self._opening.feed(text))
        return self._out(self._hold_back.feed(split.text), reasoning + split.reasoning)

    def end(self, *, cut: bool) -> TextDelta:
        """Returns what was held back; `cut` where the output was cut by a limit rather than ended by the model."""
        reasoning = self._reasoning_joiner.end(cut=cut)
        split = self._split(self._opening.feed(self._joiner.end(cut=cut)) + self._opening.end(cut=cut))
        last = self._splitter.end(cut=cut)
        text = self._hold_back.feed(split.text + last.text) + self._hold_back.end(cut=cut)
        return self._out(text, reasoning + split.reasoning + last.reasoning)

    def _split(self, text: str) -> TextDelta:
        if self._opening.joint is Joint.ANEW and self._splitter is not self._anew:
            self._splitter = self._anew
        return self._splitter.feed(text)

    def _out(self, text: str, reasoning: str) -> TextDelta:
        self.characters += len(text)
        self.reasoning_characters += len(reasoning)
        if reasoning or self.ends_hidden:
            self.ends_hidden = not text.strip() and (self.ends_hidden or bool(reasoning.strip()))
        return TextDelta(text, reasoning)
