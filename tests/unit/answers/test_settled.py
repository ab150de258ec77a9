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


WORTH = AnswerPattern(number=True)
CHOICE = AnswerPattern(choices=5)
# Texts that state their answer once.
STATING = [
    (WORTH, "Let's see. The answer is 1,234.5 because we add them all up."),
    (WORTH, "The answer is 42%. So it is less than half."),
    (WORTH, "The answer is \\boxed{\\frac{12}{35}} as shown above."),
    (WORTH, "The answer is $1,250 million in total for the year."),
    (WORTH, "The answer is 5 million people in total."),
    (WORTH, "The answer is 3.5e10 watts in total."),
    (WORTH, "The answer is 12/35 of the cake, since each gets that."),
    (WORTH, "The answer is 10^6 bytes, as we saw."),
    (WORTH, "The answer is -17 degrees or so in winter."),
    (WORTH, "#### 1250\nThat is all."),
    (WORTH, "答案是1250\u3002因为一共有1250个\u3002"),
    (WORTH, "答案是 3 万元\uff0c因为每个人都有\u3002"),
    (WORTH, "答えは12です\u3002なぜなら6+6だからです\u3002"),
    (WORTH, "정답은 3만입니다. 왜냐하면 그렇습니다."),
    (WORTH, "คำตอบคือ 120 บาท เพราะว่า 60 คูณ 2"),
    (WORTH, "उत्तर १२५ है क्योंकि यह योग है\u0964"),
    (WORTH, "La respuesta es 3,75 metros porque sí."),
    (WORTH, "The answer is 12 minutes and 30 seconds long."),
    (CHOICE, "The answer is (B) because it is so."),
    (CHOICE, "The answer is B. It is not C since that is wrong."),
    (CHOICE, "Answer: D\n\nExplanation: it follows."),
    (CHOICE, "答案是B\u3002因为A不对\u3002"),
    (CHOICE, "答えはCです\u3002なぜならAは違います\u3002"),
    (CHOICE, "A is wrong. B is wrong. The answer is C, clearly."),
    (POINTER, '{"answer": "Paris", "why": "because it is so"}'),
    (POINTER, '```json\n{"answer": 12345, "why": "sum"}\n```\nThat is it.'),
    (POINTER, '{"answer": [1, 22, 333], "x": 1}\nDone it.'),
]


@pytest.mark.parametrize(("pattern", "text"), STATING)
def test_a_cut_anywhere_settles_no_other_answer(pattern: AnswerPattern, text: str) -> None:
    found = {settled_answer(text[:end], pattern, complete=False) for end in range(len(text) + 1)}
    assert found <= {None, extract(text, pattern)}
