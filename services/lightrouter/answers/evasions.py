"""Detects texts that answer nothing: refusals, echoes of the prompt, openings without content, error pages.

They are similar for every prompt, so by words they would agree more than answers do. The phrases are a list; a text
with none of them counts as an answer, as does a long text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol, cast

import re2

from lightrouter.answers.announced import announcements, unmarked
from lightrouter.answers.inability import goes_on, only_declines
from lightrouter.answers.phrases import ERROR_PAGES, NO_REFUSALS, OPENINGS, REFUSALS
from lightrouter.answers.plain import plain
from lightrouter.answers.tokens import read

# The numbers in this module are choices; the unit test has the texts that they were tried on.
# A refusal is in the first sentence or two of a short text; an error page has its title there.
_HEAD = 240
_LONGEST = 1_200
# Words without content before or after a repeated prompt.
_LABELS = frozenset(
    [
        *(">", "<", "answer", "assistant", "asked", "asking", "asks", "bot", "human", "input", "inst", "instruction"),
        *(
            "know",
            "prompt",
            "q",
            "query",
            "question",
            "response",
            "said",
            "solution",
            "sure",
            "task",
            "user",
            "want",
            "wants",
        ),
        *(
            "\u7b54",
            "\u7b54\u6848",
            "\u7b54\u3048",
            "\u95ee",
            "\u95ee\u9898",
            "\u554f\u984c",
            "\u8cea\u554f",
            "\u9898\u76ee",
            "\uc9c8\ubb38",
            "\ub2f5\ubcc0",
        ),
    ]
)
# "Your question was: ". A choice, like the characters before the colon.
_MOST_INTRODUCING = 6
_INTRODUCTION = re.compile(r"[^:\uff1a\u201c\"\n]{1,40}[:\uff1a\u201c\"]")
# A shorter text from the prompt may be an answer that quotes it.
_FEWEST_WORDS = 4
_FEWEST_OF_ALL = 3
# Share of the prompt that is repeated, and share of the text that is from the prompt.
_REPEATED = 0.6
_KNOWN = 0.95


# A text as long may be one sentence that has not come to its answer.
_MOST_ANNOUNCING = 120
_MARKUP = str.maketrans("", "", "*_`#")
_EMPTY_BLOCK = re.compile(r"```\w*\s*[\[{(\"]*")
_BEFORE = " \u00a1\u00bf\"'>"
_SENTENCE_ENDS = ".!?\u3002\uff01\uff1f"
# Bytes for each pattern's automaton, four times RE2's default: a pattern that needs more is searched for more slowly.
_MEMORY = 32 * 1024 * 1024
_SENTENCE_END = re.compile(r"[.!?\n](?=\s)|[\u3002\uff01]")


class _Pattern(Protocol):
    def search(self, text: str) -> re.Match[str] | None: ...


def _compiled(pattern: str) -> _Pattern:
    options = re2.Options()
    options.max_mem = _MEMORY
    return cast("_Pattern", re2.compile(f"(?i){pattern}", options))


_ENGLISH, _LATIN, _OTHER_SCRIPTS = REFUSALS
_REFUSAL = _compiled(f"{_ENGLISH}|{_LATIN}")
_REFUSAL_OF_OTHER_SCRIPTS = _compiled(_OTHER_SCRIPTS)
_NO_REFUSAL = _compiled(NO_REFUSALS)
_OPENING = _compiled(f"^{OPENINGS}$")
# One search excludes most texts: it runs for every partial of every route.
_ANY = _compiled(f"{_ENGLISH}|{_LATIN}|{ERROR_PAGES}")


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
            listed = _ANY.search(head) is not None
            if refusal := _refusal(head, listed=listed):
                return not _answers_yet(head, text, refusal)
            if only_declines(text) or (len(text) <= _HEAD and _opens(head)):
                return True
            if listed:
                # A page about the prompt's subject may be the answer.
                return all(prompt.words_in.isdisjoint(words) for prompt in self._prompts)
        if any(prompt.is_repeated_by(words) for prompt in self._prompts):
            return True
        introduction = _INTRODUCTION.match(text)
        introducing = len(read(introduction[0]).words) if introduction else 0
        return 0 < introducing <= _MOST_INTRODUCING and any(
            prompt.is_repeated_by(words[introducing:]) for prompt in self._prompts
        )


def _refusal(head: str, *, listed: bool) -> re.Match[str] | None:
    found = None if head.isascii() else _REFUSAL_OF_OTHER_SCRIPTS.search(head)
    return found or (_REFUSAL.search(head) if listed else None)


def _opens(text: str) -> bool:
    """Returns whether a text has begun and said nothing yet, or ends where its answer should begin."""
    bare = text.translate(_MARKUP).lstrip(_BEFORE)
    # A heading ends like a colon.
    if _OPENING.search(f"{bare}:" if text[:1] == "#" else bare) or _EMPTY_BLOCK.fullmatch(text):
        return True
    # What ends a sentence announces nothing.
    if len(text) > _MOST_ANNOUNCING or text[-1:] in _SENTENCE_ENDS:
        return False
    begin = max((found.end() for found in _SENTENCE_END.finditer(bare)), default=0)
    return (not begin or _OPENING.search(bare[:begin]) is not None) and _announces_nothing(text)


def _answers_yet(head: str, text: str, refusal: re.Match[str]) -> bool:
    """Returns whether a text answers in spite of a refusal in its head."""
    if _NO_REFUSAL.search(head) or goes_on(text[refusal.end() :]):
        return True
    behind = _SENTENCE_END.search(text, refusal.start())
    return behind is not None and _announced(text[behind.end() :]) != ""


def _announces_nothing(text: str) -> bool:
    """Returns whether a text ends where its answer should begin: "So the answer is"."""
    begun = text.rstrip(" *_`([$\"'\u201c\u300c")
    # Whatever follows then is the answer.
    return _announced(f"{begun}0}}" if begun.endswith("{") else f"{begun} 0").strip(" :*([$\"'") == "0"


def _announced(text: str) -> str:
    return next(announcements(unmarked(plain(text))), "").strip()


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
        # Once or more often; the cut may have gone through the last word.
        expected = (self._words * (size // len(self._words) + 1))[:size] if self._words else []
        if said[:-1] == expected[:-1] and expected and expected[-1].startswith(said[-1]):
            return True
        if size < max(_FEWEST_WORDS, _REPEATED * len(self._words)):
            return False
        return sum(map(self._pairs.__contains__, pairwise(said))) >= _KNOWN * (size - 1)
