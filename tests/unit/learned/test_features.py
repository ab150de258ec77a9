from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.features import NAMES, Contender, features, question, surface, tentative_answer
from lightrouter.learned.options import options
from lightrouter.learned.priors import Example, Neighbours, Priors
from lightrouter.learned.rows import Stranger, prior_of
from lightrouter.learned.words import BUCKETS, hashed_words

PROMPT = "What is 2 + 2?\nOptions:\nA. 3\nB. 4\nC. 5\n"
KNOWN = Priors(("a", "b"), [Example(hashed_words(PROMPT), [1.0, 0.0], [20, 30])])

CONTENDERS = st.lists(
    st.builds(
        Contender,
        st.sampled_from("abc"),
        st.floats(0, 1),
        st.integers(0, 2**40),
        st.text(max_size=200),
        st.booleans(),
        st.none() | st.text(max_size=3),
    ),
    min_size=1,
    max_size=8,
)


@given(st.text(max_size=300), CONTENDERS)
def test_any_texts_have_finite_features(prompt: str, contenders: list[Contender]) -> None:
    neighbours = KNOWN.neighbours(prompt)
    known = [prior_of(KNOWN, Stranger(each.name, each.prior, each.evaluated), neighbours) for each in contenders]
    surfaces = [surface(each.text) for each in contenders]
    rows = features(question(prompt, neighbours), contenders, surfaces, known, KNOWN)
    assert len(rows) == len(contenders)
    for row in rows:
        assert len(row) == len(NAMES)
        assert all(math.isfinite(value) for value in row)


@given(st.text(max_size=300), CONTENDERS)
def test_names_say_nothing(prompt: str, contenders: list[Contender]) -> None:
    strangers = [each._replace(name="x") for each in contenders]
    renamed = [each._replace(name=f"{index}") for index, each in enumerate(contenders)]

    def rows(of: list[Contender]) -> list[list[float]]:
        known = [prior_of(KNOWN, Stranger(each.name, each.prior, each.evaluated), Neighbours()) for each in of]
        return features(question(prompt, Neighbours()), of, [surface(each.text) for each in of], known, KNOWN)

    assert rows(strangers) == rows(renamed)


@given(st.text())
def test_any_prompt_is_hashed_words(prompt: str) -> None:
    assert all(0 <= word < BUCKETS and count > 0 for word, count in hashed_words(prompt).items())
    assert hashed_words(prompt) == hashed_words(prompt)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (B).", "B"),
        ("I think that A is wrong, so the answer is $\\boxed{C}$.", "C"),
        ("The answer is A, no: the answer is B", "B"),
        ("It is 4, which is B", "B"),
        ("A good question. I would add them", None),
        ("The answer is (Z).", None),
        ("The answer is b).", "B"),
        ("the answer is **c**", "C"),
        ("The answer is b.", "B"),
        ("We refer to it. The answer b", None),
        ("It is \u0394B = 3", None),
        ("The answer is a matter of taste", None),
        ("\u7b54\u6848\u662fB\u3002", "B"),
        ("\u6240\u4ee5\u9009\uff08C\uff09", "C"),
        ("\u6240\u4ee5\uff22\u3002", "B"),
        ("(a) is what was asked, (b) is next", None),
        ("", None),
    ],
)
def test_the_last_option_that_is_stated_is_the_answer(text: str, answer: str | None) -> None:
    assert tentative_answer(text, options(PROMPT)) == answer


def test_without_options_there_is_no_letter() -> None:
    assert options("Is it A. or B.?") == {}
    assert tentative_answer("The answer is (B).", {}) is None


def test_the_option_that_was_chosen_is_seen_among_the_others() -> None:
    def rank(answer: str | None) -> float:
        contender = Contender("a", 0.5, 0, "", complete=True, answer=answer)
        known = [prior_of(KNOWN, Stranger("a", 0.5, 0), Neighbours())]
        row = features(question(PROMPT, Neighbours()), [contender], [surface("")], known, KNOWN)[0]
        return row[NAMES.index("option_number_rank")]

    assert [rank(answer) for answer in ("A", "B", "C", "D", None)] == pytest.approx([0, 1 / 3, 2 / 3, -1, -1])


def test_an_answer_that_the_text_derives_stands_out() -> None:
    def derived(text: str) -> float:
        contender = Contender("a", 0.5, 0, text, complete=True, answer="B")
        known = [prior_of(KNOWN, Stranger("a", 0.5, 0), Neighbours())]
        row = features(question(PROMPT, Neighbours()), [contender], [surface(text)], known, KNOWN)[0]
        return row[NAMES.index("derived_lead")]

    assert derived("Two and two make what is 4. The answer is (B).") == pytest.approx(1)
    assert derived("Two and two make what is 5. The answer is (B).") == pytest.approx(-1)
