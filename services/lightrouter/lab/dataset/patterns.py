"""The pattern of the comparable answer in recorded texts, inferred from the right answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from lightrouter.answers.numbers import number_of
from lightrouter.v1.policy_pb2 import AnswerPattern

# A letter as right answers are written: B, b, (B), B.
_LETTER: Final = re.compile(r"\(?([A-Za-z])[.)]?")


def infer(answers: Iterable[str | None]) -> AnswerPattern | None:
    """Returns the pattern for texts whose right answers are these: choices by letter, or numbers.

    Prompts without right answers, or with other ones, have no pattern: whole texts are compared.
    """
    known = list(answers)
    right = [answer.strip() for answer in known if answer is not None]
    if not right or len(right) < len(known):
        return None
    letters = [_LETTER.fullmatch(answer) for answer in right]
    if all(letters):
        last = max(found[1].upper() for found in letters if found)
        return AnswerPattern(choices=max(2, ord(last) - ord("A") + 1))
    if all(number_of(answer) is not None for answer in right):
        return AnswerPattern(number=True)
    return None
