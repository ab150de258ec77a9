"""Finds the answers of cut texts that cannot change with what follows."""

from __future__ import annotations

from lightrouter.answers.extract import extract
from lightrouter.v1.policy_pb2 import AnswerPattern

# Ends of words in scripts that put no space behind a sentence.
_CLOSING = "\u3002\uff01\uff1f\uff1b\uff0c\u3001\u0964\u104b\u17d4\n"


def settled_answer(text: str, pattern: AnswerPattern | None, *, complete: bool) -> str | None:
    """Returns the answer that `pattern` finds in a text; None if there is none, or if it may go on.

    In a text that was cut off, an answer counts only if a word follows it: "The answer is 4" may go on as 42.
    """
    found = extract(text, pattern)
    if found is None or pattern is None or complete:
        return found
    certain = _without_last_word(text)
    if extract(certain, pattern) != found:
        return None
    # 5 m may go on as 5 million, if the number is the last that stands before.
    unfinished = text[-1:].isalpha() and pattern.WhichOneof("pattern") == "number"
    return None if unfinished and extract(f"{certain.rstrip()} million", pattern) != found else found


def _without_last_word(text: str) -> str:
    text = text.rstrip()
    begin = max(map(text.rfind, _CLOSING)) + 1
    head, space, _ = text.rpartition(" ")
    return text[: max(begin, len(head) if space else 0)]
