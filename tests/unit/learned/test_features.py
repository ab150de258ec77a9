from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.features import (
    NAMES,
    Candidate,
    PartialAnswer,
    Reading,
    features,
    question,
    surface,
    tentative_answer,
)
from lightrouter.learned.options import options
from lightrouter.learned.priors import Example, Neighbours, Priors
from lightrouter.learned.words import BUCKETS, hashed_words

PROMPT = "What is 2 + 2?\nOptions:\nA. 3\nB. 4\nC. 5\n"
KNOWN = Priors(("a", "b"), [Example(hashed_words(PROMPT), [1.0, 0.0], [20, 30])])

PARTIALS = st.lists(
    st.tuples(
        st.builds(
            PartialAnswer,
            st.builds(Candidate, st.sampled_from("abc"), st.floats(0, 1), st.integers(0, 2**40)),
            st.text(max_size=200),
            st.booleans(),
        ),
        st.none() | st.text(max_size=3),
    ),
    min_size=1,
    max_size=8,
)
Partials = list[tuple[PartialAnswer, str | None]]


def rows(prompt: str, partials: Partials, neighbours: Neighbours) -> list[list[float]]:
    known = [
        KNOWN.prior(each.name, neighbours)
        if KNOWN.known(each.name)
        else KNOWN.prior_of_stranger(each.prior, each.evaluated)
        for each in (partial.candidate for partial, _ in partials)
    ]
    texts = [partial for partial, _ in partials]
    readings = [Reading(surface(partial.text), answer) for partial, answer in partials]
    return features(question(prompt, neighbours), texts, readings, known, KNOWN)


@given(st.text(max_size=300), PARTIALS)
def test_any_texts_have_finite_features(prompt: str, partials: Partials) -> None:
    found = rows(prompt, partials, KNOWN.neighbours(prompt))
    assert len(found) == len(partials)
    for row in found:
        assert len(row) == len(NAMES)
        assert all(math.isfinite(value) for value in row)


@given(st.text(max_size=300), PARTIALS)
def test_names_say_nothing(prompt: str, partials: Partials) -> None:
    def named(*names: str) -> list[list[float]]:
        renamed = [
            (partial._replace(candidate=partial.candidate._replace(name=name)), answer)
            for (partial, answer), name in zip(partials, names, strict=True)
        ]
        return rows(prompt, renamed, Neighbours())

    assert named(*("x" for _ in partials)) == named(*(f"{index}" for index in range(len(partials))))


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


def test_a_prompt_without_options_has_no_letter() -> None:
    assert options("Is it A. or B.?") == {}
    assert tentative_answer("The answer is (B).", {}) is None


def test_the_option_that_was_chosen_is_seen_among_the_others() -> None:
    def rank(answer: str | None) -> float:
        (row,) = rows(PROMPT, [(PartialAnswer(Candidate("a", 0.5, 0), "", complete=True), answer)], Neighbours())
        return row[NAMES.index("option_number_rank")]

    assert [rank(answer) for answer in ("A", "B", "C", "D", None)] == pytest.approx([0, 1 / 3, 2 / 3, -1, -1])


def test_an_answer_that_the_text_derives_stands_out() -> None:
    def derived(text: str) -> float:
        (row,) = rows(PROMPT, [(PartialAnswer(Candidate("a", 0.5, 0), text, complete=True), "B")], Neighbours())
        return row[NAMES.index("derived_lead")]

    assert derived("Two and two make what is 4. The answer is (B).") == pytest.approx(1)
    assert derived("Two and two make what is 5. The answer is (B).") == pytest.approx(-1)
