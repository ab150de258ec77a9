"""Where the comparable answer stands in recorded texts, as far as the right answers tell what one looks like."""

from __future__ import annotations

from collections.abc import Iterable

from lightrouter.answers.choices import MOST_CHOICES
from lightrouter.answers.numbers import number_of
from lightrouter.v1.policy_pb2 import AnswerPattern


def infer(answers: Iterable[str | None]) -> AnswerPattern | None:
    """Returns the pattern for texts whose right answers are these: choices by letter, or numbers.

    Prompts without right answers, or with other ones, have no pattern: whole texts are compared.
    """
    known = list(answers)
    right = [answer.strip() for answer in known if answer is not None]
    if not right or len(right) < len(known):
        return None
    if all(len(answer) == 1 and "A" <= answer <= "Z" for answer in right):
        return AnswerPattern(choices=min(MOST_CHOICES, max(2, ord(max(right)) - ord("A") + 1)))
    if all(number_of(answer) is not None for answer in right):
        return AnswerPattern(number=True)
    return None
