"""Which answers stand whatever follows."""

from __future__ import annotations

import pytest

from lightrouter.answers.extract import extract
from lightrouter.answers.settled import settled_answer
from lightrouter.v1.policy_pb2 import AnswerPattern

NUMBER = AnswerPattern(re2=r"is ([\d.,]*\d)")
LETTER = AnswerPattern(re2=r"(?:Answer:|答案是) ?\(?([A-J]|\p{Han}+)")
POINTER = AnswerPattern(json_pointer="/answer")


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("It is 4", NUMBER, None),
        ("It is 4.", NUMBER, None),
        ("It is 4 ", NUMBER, None),
        ("It is 4.5, so", NUMBER, "4.5"),
        ("It is 4\nSo", NUMBER, "4"),
        ("It is 4 apples. No, it is 5", NUMBER, None),
        ("It is 4 apples. No, it is 5 pears", NUMBER, "5"),
        ("Answer: B", LETTER, None),
        ("Answer: (B) because", LETTER, "B"),
        ("答案是四", LETTER, None),
        ("答案是四\u3002因为", LETTER, "四"),
        ("答案是四\u3002", LETTER, "四"),
        ('{"answer": 4', POINTER, None),
        ('{"answer": 4}', POINTER, None),
        ('```json\n{"answer": 4}\n```\nwhich means', POINTER, "4"),
        ("nothing", NUMBER, None),
        ("It is 4 apples", None, None),
        ("", NUMBER, None),
    ],
)
def test_an_answer_at_the_cut_may_go_on(text: str, pattern: AnswerPattern | None, expected: str | None) -> None:
    assert settled_answer(text, pattern, complete=False) == expected
    assert settled_answer(text, pattern, complete=True) == extract(text, pattern)
