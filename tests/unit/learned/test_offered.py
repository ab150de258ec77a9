"""The forms in which prompts offer lettered options."""

from __future__ import annotations

import pytest

from lightrouter.learned.offered import offered

QUESTION = "What is the capital of France?"
CITIES = ("Paris", "Rome", "Berlin", "Madrid")
# Of each form the first option, from which the others follow.
LINES = [
    *(
        "A) Paris",
        "A. Paris",
        "(A) Paris",
        "A: Paris",
        "[A] Paris",
        "{A} Paris",
        "A - Paris",
        "A \u2013 Paris",
        "A/ Paris",
    ),
    *(
        "A)Paris",
        "A.Paris",
        "A ) Paris",
        "( A ) Paris",
        "A\\) Paris",
        "A\\. Paris",
        "  A) Paris",
        "\tA. Paris",
        "A]Paris",
    ),
    *(
        "A\u3001Paris",
        "\uff08A\uff09Paris",
        "\uff08A\uff09 Paris",
        "A\uff0eParis",
        "A\uff1aParis",
        "\u3010A\u3011Paris",
    ),
    *("\u300cA\u300dParis", "\u3014A\u3015Paris", "\uff3bA\uff3dParis", "A\u3002Paris", "\u9009\u9879A\uff1aParis"),
    *("**A.** Paris", "**A** Paris", "**A**. Paris", "**A)** Paris", "**(A)** Paris", "**A:** Paris", "**A. Paris**"),
    *(
        "__A.__ Paris",
        "*A.* Paris",
        "`A` Paris",
        "<b>A.</b> Paris",
        "\\textbf{A.} Paris",
        "$A$. Paris",
        "\\item[A] Paris",
    ),
    *("- A) Paris", "* A. Paris", "* **A.** Paris", "- **A**: Paris", "+ A) Paris", "> A) Paris", "\u2022 A) Paris"),
    *("#### A) Paris", "### A. Paris", "- [ ] A. Paris", "[ ] A) Paris", "| A | Paris |", "\\item A. Paris"),
    *("Option A: Paris", "Choice A) Paris", "A)\nParis", "A. Paris\n"),
]
ALPHABETS = [
    "АБВГ",
    "\u0391\u0392\u0393\u0394",
    "가나다라",
    "アイウエ",
    "甲乙丙丁",
    "أبجد",
    "אבגד",
    "कखगघ",
    "กขคง",
    "abcd",
]
NUMBERED = [
    "\u24b6\u24b7\u24b8\u24b9",
    "\u249c\u249d\u249e\u249f",
    "\U0001f130\U0001f131\U0001f132\U0001f133",
    "\uff21\uff22\uff23\uff24",
]


def listed(form: str, letters: str = "ABCD", separator: str = "\n") -> str:
    head, _, behind = form.partition("Paris")
    place = head.rfind("A")
    options = zip(letters, CITIES, strict=True)
    return separator.join(f"{head[:place]}{letter}{head[place + 1 :]}{city}{behind}" for letter, city in options)


@pytest.mark.parametrize("form", LINES)
@pytest.mark.parametrize("behind", ["", "\n\nAnswer with the letter."])
def test_options_a_line_each(form: str, behind: str) -> None:
    found = offered(f"{QUESTION}\n{listed(form)}{behind}")
    assert found.stem.rstrip() == QUESTION
    assert {letter: text.strip('" |') for letter, text in found.texts.items()} == dict(zip("ABCD", CITIES, strict=True))


@pytest.mark.parametrize(
    "form", ["A) Paris", "A. Paris", "(A) Paris", "A\u3001Paris", "\uff08A\uff09Paris", "**A.** Paris", "[A] Paris"]
)
@pytest.mark.parametrize("separator", [" ", "; ", ", ", "  "])
def test_options_in_one_line(form: str, separator: str) -> None:
    found = offered(f"{QUESTION} {listed(form, separator=separator)}")
    assert {letter: text.strip(" *") for letter, text in found.texts.items()} == dict(zip("ABCD", CITIES, strict=True))


@pytest.mark.parametrize("separator", ["<br>", "<br/>", " | ", "|", "</li><li>", "</p> <p>", " \\qquad ", "\\quad"])
@pytest.mark.parametrize("form", ["A) Paris", "(A) Paris", "\\textbf{(A)} Paris", "\\textbf{(A)}\\ Paris"])
def test_options_in_one_line_of_html_or_tex(form: str, separator: str) -> None:
    found = offered(f"{QUESTION} {listed(form, separator=separator)}")
    assert {letter: text.lstrip("\\ ") for letter, text in found.texts.items()} == dict(
        zip("ABCD", CITIES, strict=True)
    )


ROW = " | ".join(CITIES)


@pytest.mark.parametrize(
    "table",
    [
        f"| A | B | C | D |\n|---|---|---|---|\n| {ROW} |",
        f"A | B | C | D\n--- | --- | --- | ---\n{ROW}",
        f"| **A** | **B** | **C** | **D** |\n|:-:|:-:|:-:|:-:|\n| {ROW} |",
        f"| (A) | (B) | (C) | (D) |\n|--|--|--|--|\n| {ROW} |",
        f"| Option A | Option B | Option C | Option D |\n|--|--|--|--|\n| {ROW} |",
        f"| | A | B | C | D |\n|-|-|-|-|-|\n| City | {ROW} |",
        f"+---+---+---+---+\n| A | B | C | D |\n+---+---+---+---+\n| {ROW} |\n+---+---+---+---+",
        "A\tB\tC\tD\n" + "\t".join(CITIES),
    ],
)
def test_options_that_are_the_columns_of_a_table(table: str) -> None:
    found = offered(f"{QUESTION}\n\n{table}\n\nAnswer with the letter.")
    assert found.texts == dict(zip("ABCD", CITIES, strict=True))
    assert found.stem.startswith(QUESTION)


@pytest.mark.parametrize("letters", ALPHABETS)
@pytest.mark.parametrize(
    "form", ["A) Paris", "A. Paris", "(A) Paris", "A\u3001Paris", "\uff08A\uff09Paris", "**A.** Paris"]
)
def test_letters_of_any_alphabet(form: str, letters: str) -> None:
    assert list(offered(f"{QUESTION}\n{listed(form, letters)}").texts) == list(letters.upper())


@pytest.mark.parametrize("letters", NUMBERED)
def test_letters_with_a_frame(letters: str) -> None:
    mark = ". " if letters[0] == "\uff21" else " "
    text = "\n".join(f"{letter}{mark}{city}" for letter, city in zip(letters, CITIES, strict=True))
    assert offered(f"{QUESTION}\n{text}").texts == dict(zip("ABCD", CITIES, strict=True))


@pytest.mark.parametrize(
    "prompt",
    [
        "I have vitamin A: good. Hepatitis B: bad.",
        "See section A.\nSection B follows.",
        "Plan A - go. Plan B - stay.",
        "Let $A$ be a set, let $B$ be a set, and let $C$ be a set.",
        'Write it as {"A": "Paris", "B": "Rome", "C": "Berlin"}',
        "We have $a_1$, $b_1$ and $c_1$.",
        # Several rows are data.
        "| Name | A | B |\n|---|---|---|\n| Bob | 5 | 6 |\n| Al | 7 | 8 |",
        "| A | B |\n|---|---|\n| 5 | |",
        "| A | B |",
        "P(A|B) = P(B|A) P(A) / P(B)",
    ],
)
def test_letters_that_are_no_options(prompt: str) -> None:
    assert not offered(prompt).texts
