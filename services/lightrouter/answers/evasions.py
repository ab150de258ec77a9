"""Detects texts that answer nothing: refusals, echoes of the prompt, openings without content, error pages.

They are similar for every prompt, so by words they would agree more than answers do. The phrases are a list; a text
with none of them counts as an answer, as does a long text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, cast

import re2

from lightrouter.answers.phrases import ERROR_PAGES, OPENINGS, REFUSALS
from lightrouter.answers.tokens import read

# The numbers in this module are choices; the unit test has the texts that they were tried on.
# A refusal is in the first sentence or two of a short text; an error page has its title there.
_HEAD = 240
_LONGEST = 1_200
# Words without content before or after a repeated prompt.
_LABELS = frozenset(
    {">", "answer", "assistant", "asked", "prompt", "q", "question", "response", "said", "solution", "user"}
)
# A shorter text from the prompt may be an answer that quotes it.
_FEWEST_WORDS = 4
_FEWEST_OF_ALL = 3
# Share of the prompt that is repeated, and share of the text that is from the prompt.
_REPEATED = 0.6
_KNOWN = 0.95


class _Pattern(Protocol):
    def search(self, text: str) -> object: ...


def _compiled(pattern: str) -> _Pattern:
    return cast("_Pattern", re2.compile(f"(?i){pattern}"))


_REFUSAL = _compiled(REFUSALS)
_OPENING = _compiled(f"^{OPENINGS}$")
# One search excludes all of these for most texts: it runs for every partial of every route.
_ANY = _compiled(f"{REFUSALS}|^{OPENINGS}$|{ERROR_PAGES}")


class Evasions:
    """Detects the texts that do not answer one prompt."""

    def __init__(self, messages: Sequence[str]) -> None:
        """Reads the messages that may be repeated: the first and the last of the prompt."""
        self._prompts = [_RepeatablePrompt(read(message).words) for message in self.repeatable(messages)]

    @staticmethod
    def repeatable(messages: Sequence[str]) -> list[str]:
        """Returns the messages that a text may repeat."""
        return list(dict.fromkeys((*messages[:1], *messages[-1:])))

    def evades(self, text: str, words: Sequence[str]) -> bool:
        """Returns whether a text answers nothing; `words` are its words from `tokens.read`."""
        if len(text) <= _LONGEST:
            head = " ".join(text[:_HEAD].replace("\u2019", "'").split())
            if _ANY.search(head):
                if _REFUSAL.search(head):
                    return True
                if _OPENING.search(head):
                    return len(text) <= _HEAD
                # A page about the prompt's subject may be the answer.
                return all(prompt.words_in.isdisjoint(words) for prompt in self._prompts)
        return any(prompt.is_repeated_by(words) for prompt in self._prompts)


class _RepeatablePrompt:
    """The words of a message, which each text of a route is compared with."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words_in = frozenset(words)
        self._words = list(words)
        self._pairs = frozenset(pairwise(words))

    def is_repeated_by(self, words: Sequence[str]) -> bool:
        """Returns whether words only repeat the message, from its start or most of it."""
        begin, end = 0, len(words)
        while begin < end and words[begin] in _LABELS:
            begin += 1
        while begin < end and words[end - 1] in _LABELS:
            end -= 1
        size = end - begin
        if size < max(_FEWEST_OF_ALL, min(_FEWEST_WORDS, len(self._words))):
            return False
        said = words[begin:end]
        if said == self._words[:size]:
            return True
        if size < max(_FEWEST_WORDS, _REPEATED * len(self._words)):
            return False
        return sum(map(self._pairs.__contains__, pairwise(said))) >= _KNOWN * (size - 1)
