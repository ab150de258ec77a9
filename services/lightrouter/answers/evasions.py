"""Texts that answer nothing: refusals, the prompt again, openings without more, error pages.

They are alike whatever was asked, so that by their words they would agree with each other more than answers do. The
phrases are a list, and what is missing there counts as an answer, as does a text that goes on for long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, cast

import re2

from lightrouter.answers.phrases import ERROR_PAGES, OPENINGS, REFUSALS
from lightrouter.answers.tokens import read

# A refusal says so in its first sentence or two, and is no longer than a few.
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
    def fullmatch(self, text: str) -> object: ...


def _compiled(pattern: str) -> _Pattern:
    return cast("_Pattern", re2.compile(f"(?i){pattern}"))


_IS_REFUSAL = _compiled(REFUSALS)
_IS_OPENING = _compiled(OPENINGS)
_IS_ERROR_PAGE = _compiled(ERROR_PAGES)
_SPACES = re.compile(r"\s+")


class Evasions:
    """Tells which texts answer nothing of one prompt."""

    def __init__(self, messages: Sequence[str]) -> None:
        """Reads what may be repeated: the first and the last of the prompt's messages."""
        self._prompts = [read(message).words for message in dict.fromkeys((*messages[:1], *messages[-1:]))]

    def evades(self, text: str, words: Sequence[str]) -> bool:
        """Tells whether a text answers nothing; `words` are those that `tokens.read` finds in it."""
        if len(text) <= _LONGEST:
            head = _SPACES.sub(" ", text[:_HEAD].replace("\u2019", "'")).strip()
            if _IS_REFUSAL.search(head) or (len(text) <= _HEAD and _IS_OPENING.fullmatch(head)):
                return True
            if _IS_ERROR_PAGE.search(text) and not any(set(words) & set(prompt) for prompt in self._prompts):
                return True
        return any(_repeats(words, prompt) for prompt in self._prompts)


def _repeats(words: Sequence[str], prompt: Sequence[str]) -> bool:
    """Tells whether words are a prompt's again, from its begin or most of it, and none besides."""
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
