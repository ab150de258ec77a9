"""The output of one generation on its way from the provider to the caller."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.adapter.text.boundary import SurrogateJoiner, TailBuffer
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.adapter.text.opening import Opening, PrefillUse
from lightrouter.adapter.text.reasoning import ThinkSplitter
from lightrouter.runtime.toolcalls import calls_text
from lightrouter.v1.chat_pb2 import ToolCallDelta


class Transcript:
    """Turns the deltas of a provider into the output for the caller, with hidden reasoning apart.

    Attributes:
        characters: The characters of visible text and of tool calls that were given out.
        reasoning_characters: Those of hidden reasoning.
        blank: Whether only white space and no tool call has come.
        ends_hidden: Whether the output ends with hidden reasoning.
    """

    def __init__(
        self, splitter: ThinkSplitter, opening: Opening, *, anew: ThinkSplitter, stops: Sequence[str] = ()
    ) -> None:
        """Begins an empty transcript.

        Args:
            splitter: Splits a text that continues the prefill.
            opening: Finds out what the reply does with the prefill.
            anew: Splits a text that starts anew.
            stops: The texts that end the output.
        """
        self._splitter = splitter
        self._opening = opening
        self._anew = anew
        self._joiner = SurrogateJoiner()
        self._reasoning_joiner = SurrogateJoiner()
        self._hold_back = TailBuffer(stops)
        self._field_reasoning: list[str] = []
        self._early_reasoning = ""
        self.characters = 0
        self.reasoning_characters = 0
        self.blank = True
        self.ends_hidden = False

    @property
    def prefill_use(self) -> PrefillUse | None:
        """What the reply does with the prefill; None until that is known."""
        return self._opening.prefill_use

    @property
    def is_doubtful(self) -> bool:
        """Whether the reply may continue the prefill and nothing shows it."""
        return self._opening.is_doubtful

    @property
    def field_reasoning(self) -> str:
        """The hidden reasoning that came in a field of its own."""
        return "".join(self._field_reasoning)

    @property
    def head(self) -> str:
        """The text before the visible text: hidden reasoning in its tags."""
        return self._splitter.head

    @property
    def inside(self) -> bool:
        """Whether `head` ends within hidden reasoning."""
        return self._splitter.inside

    def feed(self, delta: TextDelta) -> TextDelta:
        """Takes a delta; returns the output that is settled now. Either part may be empty."""
        reasoning = delta.reasoning
        if reasoning:
            reasoning = self._reasoning_joiner.feed(reasoning)
            self._field_reasoning.append(reasoning)
            self.blank = False
        if delta.calls:
            self.blank = False
        if not delta.text:
            return self._out("", reasoning, delta.calls)
        text = self._joiner.feed(delta.text)
        if self.blank and text and not text.isspace():
            self.blank = False
        split = self._split(self._opening.feed(text))
        return self._out(self._hold_back.feed(split.text), reasoning + split.reasoning, delta.calls)

    def end(self, *, cut: bool, read: bool | None = None) -> TextDelta:
        """Returns the output that was held back.

        Args:
            cut: Whether a limit, not the model, ended it.
            read: Whether the model went on from the prefill, by the provider's counts; None if they do not tell.
        """
        reasoning = self._reasoning_joiner.end(cut=cut)
        split = self._split(self._opening.feed(self._joiner.end(cut=cut)) + self._opening.end(cut=cut, read=read))
        last = self._splitter.end(cut=cut)
        text = self._hold_back.feed(split.text + last.text) + self._hold_back.end(cut=cut)
        return self._out(text, reasoning + split.reasoning + last.reasoning)

    def restart(self) -> None:
        """Takes the whole output as a text that starts anew."""
        self._opening.prefill_use = PrefillUse.RESTARTED
        self._splitter = self._anew

    def _split(self, text: str) -> TextDelta:
        if self._opening.prefill_use is PrefillUse.RESTARTED and self._splitter is not self._anew:
            self._splitter = self._anew
        return self._splitter.feed(text)

    def _out(self, text: str, reasoning: str, calls: tuple[ToolCallDelta, ...] = ()) -> TextDelta:
        if self._opening.may_be_doubtful:
            self._early_reasoning += reasoning
            reasoning = ""
        elif self._early_reasoning:
            reasoning, self._early_reasoning = self._early_reasoning + reasoning, ""
        self.characters += len(text) + (len(calls_text(calls)) if calls else 0)
        self.reasoning_characters += len(reasoning)
        if reasoning or self.ends_hidden:
            self.ends_hidden = not (calls or text.strip()) and (self.ends_hidden or bool(reasoning.strip()))
        return TextDelta(text, reasoning, calls)
