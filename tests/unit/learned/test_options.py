from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.offered import offered
from lightrouter.learned.options import CUES, options, tokens

OPTION_TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])), min_size=2, max_size=12)


def asked(*texts: str) -> str:
    return "Which?\n" + "".join(f"{letter}. {text}\n" for letter, text in zip("ABCDEFGHIJKL", texts, strict=False))


def cue(name: str, *texts: str) -> list[float]:
    return [option.cues[CUES.index(name)] for option in options(asked(*texts)).values()]


@given(OPTION_TEXTS)
def test_any_options_have_finite_cues(texts: list[str]) -> None:
    for option in options(asked(*texts)).values():
        assert len(option.cues) == len(CUES)
        assert all(map(math.isfinite, option.cues))
        assert sum(option.words.values()) == pytest.approx(1) or not option.words


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False).map(str), min_size=2, max_size=10))
def test_any_numbers_have_finite_cues(numbers: list[str]) -> None:
    for option in options(asked(*numbers)).values():
        assert all(map(math.isfinite, option.cues))


@given(OPTION_TEXTS)
def test_an_option_looks_the_same_in_whatever_order_they_stand(texts: list[str]) -> None:
    texts = [f"{place} {text}" for place, text in enumerate(texts)]
    turned = list(reversed(texts))
    forward = [option.cues for option in options(asked(*texts)).values()]
    backward = [option.cues for option in options(asked(*turned)).values()]
    for one, other in zip(forward, reversed(backward), strict=True):
        assert one == pytest.approx(other)


def test_the_words_of_an_option_weigh_one_together_and_shared_ones_less() -> None:
    found = options("Which?\nA. red apple\nB. green apple\n")
    assert list(found) == ["A", "B"]
    assert sum(found["A"].words.values()) == pytest.approx(1)
    assert found["A"].words["red"] > found["A"].words["apple"]


def test_the_last_list_of_options_counts() -> None:
    assert list(options(asked("an example", "of options", "asked before") + asked("yes", "no"))) == ["A", "B"]


def test_the_number_in_the_middle_is_seen() -> None:
    assert cue("option_number_rank", "10 kg", "20 kg", "1,000 kg") == pytest.approx([0, 1 / 3, 2 / 3])
    distances = cue("option_number_distance", "10 kg", "20 kg", "1,000 kg")
    assert distances == pytest.approx([math.log(2), 0, math.log(50)])
    assert cue("option_number_nearest", "10 kg", "20 kg", "1,000 kg") == pytest.approx(
        [math.log(2), math.log(2), math.log(50)]
    )
    assert cue("option_digits_lead", "1.25", "5", "70") == pytest.approx([4 / 3, -2 / 3, -2 / 3])
    assert cue("option_numbers", "10", "none", "red", "2") == pytest.approx([0.5] * 4)


def test_what_is_phrased_like_the_others_is_seen() -> None:
    assert cue("option_same_unit", "10 kg", "20 kg", "30 lb") == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert cue("option_same_end", "It is.", "It was.", "It will be") == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert cue("option_same_first", "The sun", "the moon", "A star") == pytest.approx([2 / 3, 2 / 3, 1 / 3])
    assert cue("option_own_words", "red apple", "green apple", "pear") == pytest.approx([0.5, 0.5, 1])
    assert cue("option_length_rank", "a", "bb", "ccc") == pytest.approx([1 / 6, 1 / 2, 5 / 6])


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_weights_of_words_hang_on_no_order_of_hashes(hash_seed: str) -> None:
    prompt = asked("one two three four five six", "one two three seven eight", "one nine ten eleven")
    script = "import sys; from lightrouter.learned.options import options; print(options(sys.argv[1]))"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    said = subprocess.run(
        [sys.executable, "-c", script, prompt], env=environment, check=True, capture_output=True, text=True, timeout=600
    )
    assert said.stdout == f"{options(prompt)}\n"


@pytest.mark.parametrize(
    ("prompt", "letters"),
    [
        ("Which?\nA. x\nB. y", "AB"),
        ("Which?\nA、苹果\nB、梨\nC、桃", "ABC"),
        ("Which?\nA\uff0e x\nB\uff0e y", "AB"),
        ("Which?\n\uff21\uff1a x\n\uff22\uff1a y", "AB"),
        ("Which?\n\uff08A\uff09x\n\uff08B\uff09y", "AB"),
        ("Which?\uff08A\uff09x\uff08B\uff09y", "AB"),
        ("Which?\n\u3010A\u3011x\n\u3010B\u3011y", "AB"),
        ("Which?\n**A.** x\n**B.** y", "AB"),
        ("Which?\n**A** x\n**B** y", "AB"),
        ("Which?\n**A. x**\n**B. y**", "AB"),
        ("Which?\n- **A)** x\n- **B)** y", "AB"),
        ("Which?\n* A: x\n* B: y", "AB"),
        ("Which?\na) x\nb) y\nc) z", "ABC"),
        ("Which?\n(a) x\n(b) y", "AB"),
        ("Which?\n[A] x\n[B] y", "AB"),
        ("Which?\nA - x\nB - y", "AB"),
        ("Which?\nA.x\nB.y", "AB"),
        ("Which?\nA.\nx\nB.\ny", "AB"),
        ("Which?\r\nA. x\r\nB. y\r\n", "AB"),
        ("Which?\n> A. x\n> B. y", "AB"),
        ("Which?\n\u3000A. x\n\u3000B. y", "AB"),
        ("Which?\nOption A: x\nOption B: y", "AB"),
        ("Which? A) x B) y", "AB"),
        ("Which? (A) x (B) y (C) z", "ABC"),
        ("Which? A. x B. y C. z", "ABC"),
        ("Which?\n\u0410) x\n\u0411) y", "\u0410\u0411"),
        ("Which?\n\u0391. x\n\u0392. y", "\u0391\u0392"),
        ("Which?\n\u0623) x\n\u0628) y", "\u0623\u0628"),
        ("Which?\n\u7532\u3001x\n\u4e59\u3001y", "\u7532\u4e59"),
        ("Which?\n\u24b6 x\n\u24b7 y", "AB"),
        ("Which?\n\u24d0 x\n\u24d1 y", "AB"),
        ("Which?\n\u300cA\u300dx\n\u300cB\u300dy", "AB"),
        ("Which?\n`A` x\n`B` y", "AB"),
        ("Which?\n`A.` x\n`B.` y", "AB"),
        ("Which?\n<b>A.</b> x\n<b>B.</b> y", "AB"),
        ("Which?\nA\\. x\nB\\. y", "AB"),
        ("Which?\nA] x\nB] y", "AB"),
        ("Which?\nAnswer A: x\nAnswer B: y", "AB"),
        ("Which?\n\u9009\u9879A\uff1ax\n\u9009\u9879B\uff1ay", "AB"),
        (
            (
                "Which?\n\u0412\u0430\u0440\u0438\u0430\u043d\u0442 \u0410: x\n"
                "\u0412\u0430\u0440\u0438\u0430\u043d\u0442 \u0411: y"
            ),
            "\u0410\u0411",
        ),
        ("Which?\n\u0e01. x\n\u0e02. y", "\u0e01\u0e02"),
        ("Which?\n\u0995) x\n\u0996) y", "\u0995\u0996"),
        ('Which?\n{\n  "a": 1,\n  "b": 2\n}', ""),
        ("Which?\na, then\nb, or", ""),
        ("Which?\nA. I. only\nII. is not\nB. y", "AB"),
        ("I asked J. A. Smith and then B. Jones.", ""),
        ("Is it A. or B.?", ""),
        ("Hepatitis A: mild. Hepatitis B: worse.", ""),
        ("A. is an initial\nand so is C. here", ""),
        ("A. one\nC. three", ""),
        ("1. one\n2. two", ""),
        ("", ""),
    ],
)
def test_options_are_seen_however_they_are_written(prompt: str, letters: str) -> None:
    assert "".join(options(prompt)) == letters


def test_an_option_is_what_stands_behind_its_letter() -> None:
    assert offered("Which?\n**A. red**\n**B. blue**").texts == {"A": "red", "B": "blue"}
    assert offered("Which? (A) red; (B) blue").texts == {"A": "red", "B": "blue"}
    assert offered("Which?\nA.\n\n red\nB. blue\nAnswer:") == ("Which?\n", {"A": "red", "B": "blue"})


@given(st.text(alphabet="AaBbC.)(*:-| \n\uff08\uff09\u3001x", max_size=200))
def test_any_text_has_options_in_the_order_of_the_alphabet(prompt: str) -> None:
    letters = "".join(options(prompt))
    assert letters in {"", "AB", "ABC"}


@given(
    st.lists(st.sampled_from(["The", "answer", "12", "3.50", "007", "0", "x", ".", ", ", " ", "(a)", "is", "\n", "?"]))
)
def test_plain_words_and_numbers_are_read_alike_however_quickly(pieces: list[str]) -> None:
    text = " ".join(pieces)
    # What is read with care: something that is no word stands behind.
    assert tokens(text) == tokens(text + " {")
