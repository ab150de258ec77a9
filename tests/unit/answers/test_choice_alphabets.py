"""A chosen letter in other alphabets and other characters, in columns of a table, and in small letters."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lightrouter.answers.choices import answer_letter

ALPHABETS = {
    "A": [
        "Ответ: А", "Απάντηση: Α", "أ",
    ],
    "B": [
        "Ответ: Б", "Б", "Правильный ответ — Б) Париж", "Вариант Б верен", "Η σωστή απάντηση είναι το Β",
        "Відповідь: Б", "Отговор: Б", "б)", "ответ: б", "정답: ②", "②", "(나)", "정답: 나", "答えはイ", "الإجابة: ب",
        "उत्तर: (ख)", "คำตอบ: ข", "תשובה: ב", "پاسخ: گزینه ب", "The answer is В.", "Ответ: В",
    ],
    "C": [
        "Απάντηση: Γ", "γ", "정답은 ③번입니다", "正解はウ", "الإجابة الصحيحة هي ج", "התשובה הנכונה היא ג",
        "А) Лион\nБ) Париж\nВ) Берлин\n\nОтвет: В", "Правильный ответ — С", "Ответ: С.", "Вариант С",
        "Правильный ответ: C) Париж", "The answer is Ⓒ", "Ⓒ", "ⓒ", "🄲", "🅒", "🅲", "Answer: ⓒ", "Answer: 🅒",
        "Answer: ③? no, C", "𝐂", "𝑪", "Answer: 𝗖", "Answer: ⒞", "⒞", "Answer: (С)", "The answer is Ｃ", "Answer: 「C」",
        "Answer: 【C】", "Answer：〔C〕", "答案：〈C〉", "答案是【C】", "答案：C。", "选C", "故选：C．", "应选C项",
    ],
    "D": [
        "Ответ: Г", "Г", "Απάντηση: Δ", "Отговор: Г", "الجواب: د", "ข้อ ง",
    ],
    None: [
        "Answer: 2",
    ],
}  # fmt: skip
TABLES = {
    "B": [
        "| A | B | C | D |\n|---|---|---|---|\n| ✗ | ✓ | ✗ | ✗ |",
        "| Option | A | B | C | D |\n|---|---|---|---|---|\n| Verdict | ❌ | ✅ | ❌ | ❌ |",
        "| | A | B | C | D |\n|-|-|-|-|-|\n| Text | Paris | Rome | Bonn | Oslo |\n| Right? | no | yes | no | no |",
        "| Option | Text | Verdict |\n|--|--|--|\n| A | Paris | wrong |\n| B | Rome | correct |\n| C | Ulm | wrong |",
        "Option | Correct\nA | No\nB | Yes\nC | No",
        "| Option A | Option B | Option C |\n|---|---|---|\n| incorrect | correct | incorrect |",
        "| A | B | C | D |\n|---|---|---|---|\n| 1 | 2 | 3 | 4 |\n\nAnswer: B",
        "| Option | A | B | C | D |\n|---|---|---|---|---|\n| Richtig? | nein | ja | nein | nein |",
        "A: ✗  B: ✓  C: ✗", "A ✗ | B ✓ | C ✗", "A. No. B. Yes. C. No.",
    ],
    "C": [
        "| A | B | C | D |\n|---|---|---|---|\n| wrong | wrong | correct | wrong |",
        "| Option | A | B | C | D |\n| --- | --- | --- | --- | --- |\n| Correct? | No | No | Yes | No |",
        "| A) | B) | C) |\n|--|--|--|\n| ✘ | ✘ | ✔ |", "A\tB\tC\tD\nno\tno\tyes\tno",
    ],
    "D": [
        "A | B | C | D\n--- | --- | --- | ---\nfalse | false | false | true",
        "| **A** | **B** | **C** | **D** |\n|:-:|:-:|:-:|:-:|\n| ❌ | ❌ | ❌ | ✅ |",
    ],
    None: [
        "| A | B |\n|--|--|\n| ✅ | ✅ |", "| A | B | C | D |\n|---|---|---|---|\n| 0 | 0 | 1 | 0 |",
    ],
}  # fmt: skip
SMALL = {
    "C": [
        "c is correct", "c is correct.", "so c is correct", "Option c is correct", "c is right", "c is the answer",
        "c is the correct answer", "c is the best choice", "I think c is correct", "(c) is correct", "c) is correct",
        "c: correct", "c ist richtig", "c es correcta", "c is the right one", "the right one is c", "it's c",
        "It is c.", "i'd go with c", "I choose c", "answer c", "ans: c", "ans c", "the answer is c because",
        "c because it is green", "c - it is green", "c, because", "c.", "c)", "c", "Correct: c", "correct is c",
        "Only c is correct", "a is wrong, c is right", "c is true", "must be c", "should be c", "therefore c",
        "thus c is correct", "Ответ: С",
    ],
    None: [
        "the speed of light is c", "if c is right then", "e c", "it's about a cat", "a right answer",
        "this is a correct statement about b",
    ],
}  # fmt: skip
THINGS = [
    "Consider set A and set B.", "set A", "The elements of set A are in set B", "vitamin C", "Take vitamin C.",
    "It is rich in vitamin D", "plan B", "We need a plan B", "Dr. B. Smith", "written by Dr. B. Smith.",
    "Team A beat Team B", "team B", "Group C", "hepatitis B", "Hepatitis C", "class C", "type A", "Type B",
    "blood group B", "exit B", "Gate C", "Room B", "block D", "Building A", "Terminal B", "Highway A", "grade B",
    "He got a B", "a grade of C", "C major", "in D minor", "key of C", "Series B", "series A funding", "Figure B",
    "Table C", "Appendix A", "Section D", "Chapter B", "Part B", "point A to point B", "From A to B", "angle B",
    "side C", "vertex A", "line AB", "node D", "Vertex B is connected to vertex C", "player B", "person A",
    "Company C", "Bank B", "process B", "thread A", "variable B", "matrix A", "let A be a set", "function C",
    "The C language", "programming in C", "C programming", "C++", "C#", "written in C", "vitamin B12", "Mr. C",
    "Ms. D", "Agent C", "Louis C.K.", "Channel D", "drive C", "disk D", "the D drive", "Section B of the act",
    "Article C", "Schedule D", "clause B", "the B side", "B-side", "B movie", "A-level", "D-Day", "C-section",
    "T-cell B", "Plan A failed, so plan B", "Sample B", "compound B", "Product A costs more than product B",
    "machine C", "car B", "train B", "worker A", "state B", "region C", "zone A", "country B", "city C", "station D",
    "Point C lies on the line", "Phase B", "stage C", "Level D", "layer A", "scenario B", "case A", "Case B",
    "Strain B", "influenza B", "protein C", "Factor D", "Enzyme B", "gene A", "allele B", "isotope C", "element B",
    "base C", "acid B", "event A", "P(A|B)", "box C", "bag A", "urn B", "bin C", "jar A", "row B", "column C",
    "cell B", "Category B", "list A", "string B", "Vitamin K and vitamin D", "unit B", "Module C", "Bus C", "Line D",
    "Platform A", "Track B", "Division B", "League A", "School B", "Ward C", "Vol. B", "Version B", "Theorem B",
    "Lemma C", "Assumption C", "Condition A", "Hypothesis B", "Rule C", "Step B",
]  # fmt: skip
# What is chosen all the same: the text calls it right, announces it, or the word before is no such thing.
CHOSEN = {
    "B": [
        "Team B is the correct answer.", "So B.", "I pick B.", "Circle B",
        "Vitamin C is wrong. B",
        "Set A is too small, so B.", "Therefore option B.", "Ich nehme B.", "Logo, B.", "Not A. Not C. B.",
    ],
}  # fmt: skip


def pairs(*tables: Mapping[Any, list[str]]) -> list[tuple[str, str | None]]:
    return [(text, letter) for table in tables for letter, texts in table.items() for text in texts]


@pytest.mark.parametrize(("text", "letter"), pairs(ALPHABETS, TABLES, SMALL, CHOSEN))
def test_the_letter_that_a_text_chooses(text: str, letter: str | None) -> None:
    assert answer_letter(text, 4) == letter


@pytest.mark.parametrize("text", THINGS)
def test_a_letter_that_names_a_thing_is_no_choice(text: str) -> None:
    assert answer_letter(text, 4) is None
