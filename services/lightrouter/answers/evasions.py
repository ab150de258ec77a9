"""Texts that answer nothing: refusals, the prompt again, openings without more, error pages.

They are alike whatever was asked, so that by their words they would agree with each other more than answers do. The
phrases are a list, and what is missing there counts as an answer, as does a text that goes on for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, cast

import re2

from lightrouter.answers.phrases import ERROR_PAGES, OPENINGS, REFUSALS
from lightrouter.answers.tokens import read

# A refusal says so in its first sentence or two, and is no longer than a few; an error page shows its title there.
_HEAD = 240
_LONGEST = 1_200
# Words that stand before a repeated prompt, or behind it, without saying anything.
_LABELS = frozenset({"answer", "assistant", "asked", "prompt", "q", "question", "response", "said", "solution", "user"})
# A shorter text that stands in the prompt may be an answer that was quoted from it.
_FEWEST_WORDS = 4
_FEWEST_OF_ALL = 3
# So much of the prompt is repeated, and so little is new.
_REPEATED = 0.6
_KNOWN = 0.95


class _Pattern(Protocol):
    def search(self, text: str) -> object: ...


def _compiled(pattern: str) -> _Pattern:
    return cast("_Pattern", re2.compile(f"(?i){pattern}"))


_REFUSAL = _compiled(REFUSALS)
_OPENING = _compiled(f"^{OPENINGS}$")
# One search tells most texts from all of these: it is done for every partial of every route.
_ANY = _compiled(f"{REFUSALS}|^{OPENINGS}$|{ERROR_PAGES}")


class Evasions:
    """Tells which texts answer nothing of one prompt."""

    def __init__(self, messages: Sequence[str]) -> None:
        """Reads what may be repeated: the first and the last of the prompt's messages."""
        self._prompts = [read(message).words for message in self.repeatable(messages)]

    @staticmethod
    def repeatable(messages: Sequence[str]) -> list[str]:
        """Returns the messages that a text may repeat."""
        return list(dict.fromkeys((*messages[:1], *messages[-1:])))

    def evades(self, text: str, words: Sequence[str]) -> bool:
        """Tells whether a text answers nothing; `words` are those that `tokens.read` finds in it."""
        if len(text) <= _LONGEST:
            head = " ".join(text[:_HEAD].replace("\u2019", "'").split())
            if _ANY.search(head):
                if _REFUSAL.search(head):
                    return True
                if _OPENING.search(head):
                    return len(text) <= _HEAD
                # A page that has to do with the prompt may be what was asked for.
                return not any(set(words) & set(prompt) for prompt in self._prompts)
        return any(_repeats(words, prompt) for prompt in self._prompts)


def _repeats(words: Sequence[str], prompt: Sequence[str]) -> bool:
    """Tells whether words are a prompt's again, from its start or most of it, and none besides."""
    begin, end = 0, len(words)
    while begin < end and words[begin] in _LABELS:
        begin += 1
    while begin < end and words[end - 1] in _LABELS:
        end -= 1
    said = words[begin:end]
    if len(said) < max(_FEWEST_OF_ALL, min(_FEWEST_WORDS, len(prompt))):
        return False
    if list(said) == list(prompt[: len(said)]):
        return True
    if len(said) < max(_FEWEST_WORDS, _REPEATED * len(prompt)):
        return False
    known = set(pairwise(prompt))
    return sum(pair in known for pair in pairwise(said)) >= _KNOWN * (len(said) - 1)
