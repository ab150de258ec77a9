"""The text of one generation on its way from the provider to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.adapter.coalesce import Piece
from lightrouter.adapter.joint import EchoStripper, HoldBack, SurrogateJoiner
from lightrouter.adapter.reasoning import ThinkSplitter


class Transcript:
    """Takes what a provider sends and gives out what the caller gets, hidden reasoning apart.

    Attributes:
        characters: How many characters of visible text were given out.
        reasoning_characters: How many of hidden reasoning.
        blank: Whether nothing but white space has come.
        field_reasoning: Hidden reasoning that came in a field of its own, all of it.
    """

    def __init__(self, splitter: ThinkSplitter, *, echo: str = "", stops: Sequence[str] = ()) -> None:
        """Takes away `echo` at the begin; `stops` are the texts that end the output."""
        self._splitter = splitter
        self._echo = EchoStripper(echo)
        self._joiner = SurrogateJoiner()
        self._reasoning_joiner = SurrogateJoiner()
        self._hold_back = HoldBack(stops)
        self._field_reasoning: list[str] = []
        self.characters = 0
        self.reasoning_characters = 0
        self.blank = True

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

    def feed(self, piece: Piece) -> Piece:
        """Returns what can be given out after `piece` has come; either part may be empty.

        Raises:
            UpstreamError: The text holds half a character.
        """
        reasoning = piece.reasoning
        if reasoning:
            reasoning = self._reasoning_joiner.feed(reasoning)
            self._field_reasoning.append(reasoning)
            self.blank = False
        if not piece.text:
            return self._out("", reasoning)
        text = self._echo.feed(self._joiner.feed(piece.text))
        if self.blank and text and not text.isspace():
            self.blank = False
        split = self._splitter.feed(text)
        return self._out(self._hold_back.feed(split.text), reasoning + split.reasoning)

    def end(self, *, cut: bool) -> Piece:
        """Returns what was held back; `cut` where the output was cut by a limit rather than ended by the model.

        Raises:
            UpstreamError: The text ends in half a character.
        """
        self._joiner.end(cut=cut)
        self._reasoning_joiner.end(cut=cut)
        split = self._splitter.feed(self._echo.end())
        last = self._splitter.end(cut=cut)
        text = self._hold_back.feed(split.text + last.text) + self._hold_back.end(cut=cut)
        return self._out(text, split.reasoning + last.reasoning)

    def _out(self, text: str, reasoning: str) -> Piece:
        self.characters += len(text)
        self.reasoning_characters += len(reasoning)
        return Piece(text, reasoning)
