"""The pattern of comparable answers, inferred from a recording's right answers."""

from __future__ import annotations

import pytest

from lightrouter.lab.dataset.patterns import infer
from lightrouter.v1.policy_pb2 import AnswerPattern

NUMBER = AnswerPattern(number=True)


@pytest.mark.parametrize(
    ("answers", "pattern"),
    [
        (["1", "2.5"], NUMBER),
        (["1,234", "1 000 000", "$9{,}500"], NUMBER),
        (["\u22123", "\u20133", "-3"], NUMBER),
        (["50%", "50 %", "\u00bd", "1/2", "3.5 \u00d7 10^3"], NUMBER),
        (["\u0661\u0662", " 7 "], NUMBER),
        (["A", "C"], AnswerPattern(choices=3)),
        (["a", "c"], AnswerPattern(choices=3)),
        (["a", "C"], AnswerPattern(choices=3)),
        (["A", "A"], AnswerPattern(choices=2)),
        (["(B)", "J."], AnswerPattern(choices=10)),
        (["Z"], AnswerPattern(choices=26)),
        (["A", "1"], None),
        (["A", "Paris"], None),
        (["1", "1 and 2"], None),
        (["1", None], None),
        ([""], None),
        (["\u0416"], None),
        ([None], None),
        ([], None),
    ],
)
def test_answers_tell_the_pattern(answers: list[str | None], pattern: AnswerPattern | None) -> None:
    assert infer(answers) == pattern
