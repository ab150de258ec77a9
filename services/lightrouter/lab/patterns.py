"""Where the comparable answer stands in recorded texts, as far as the right answers tell what one looks like."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lightrouter.v1.policy_pb2 import AnswerPattern

_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


def infer(answers: Iterable[str | None]) -> AnswerPattern | None:
    """Returns the pattern for texts whose right answers are these: choices by letter, or numbers.

    The last letter that stands alone is the answer, or the last number. Prompts without right answers, or with other
    ones, have no pattern: whole texts are compared.
    """
    known = list(answers)
    right = [answer.strip() for answer in known if answer is not None]
    if not right or len(right) < len(known):
        return None
    if all(len(answer) == 1 and "A" <= answer <= "Z" for answer in right):
        return AnswerPattern(re2=rf"\b([A-{max(right)}])\b")
    if all(_NUMBER.fullmatch(answer) for answer in right):
        return AnswerPattern(re2=r"([-+]?\d[\d,]*(?:\.\d+)?)")
    return None
