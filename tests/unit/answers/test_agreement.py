from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.agreement import agreement, mean, pairwise, similarity
from lightrouter.v1.policy_pb2 import AnswerPattern

_WORDS = st.sampled_from(["the", "answer", "is", "not", "4", "5", "yes", "no,", "Paris.", "false", "-", "don't", "\n"])
TEXTS = st.one_of(st.text(max_size=200), st.lists(_WORDS, max_size=120).map(" ".join))
NUMBER = AnswerPattern(re2=r"answer is (\d+)")


@given(TEXTS, TEXTS, st.booleans(), st.booleans())
def test_similarity_is_symmetric_and_bounded(left: str, right: str, left_complete: bool, right_complete: bool) -> None:
    forward = similarity(left, right, left_complete=left_complete, right_complete=right_complete)
    backward = similarity(right, left, left_complete=right_complete, right_complete=left_complete)
    assert forward == backward
    assert 0.0 <= forward <= 1.0


@given(TEXTS, st.booleans())
def test_equal_texts_are_the_same(text: str, complete: bool) -> None:
    assert similarity(text, text, left_complete=complete, right_complete=complete) == 1.0


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=6), st.booleans())
def test_agreement_of_any_texts_is_bounded(texts: list[tuple[str, bool]], with_pattern: bool) -> None:
    whole = [complete for _, complete in texts]
    matrix = pairwise([text for text, _ in texts], whole, NUMBER if with_pattern else None)
    assert all(matrix[i][j] == matrix[j][i] for i in range(len(texts)) for j in range(len(texts)))
    assert all(matrix[i][i] == 1.0 for i in range(len(texts)))
    assert 0.0 <= mean(matrix) <= 1.0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The answer is 4", "The answer is 5"),
        ("It is safe to eat.", "It is not safe to eat."),
        ("It is possible.", "It is impossible."),
        ("No, 91 is not prime.", "Yes, 91 is prime."),
        ("The capital of Australia is Sydney.", "The capital of Australia is Canberra."),
        ("It opened on 3 May 1999.", "It opened on 3 May 1998."),
        ("The meeting is on Monday.", "The meeting is on Tuesday."),
        ("x is -4", "x is 4"),
        ("return a + b", "return a - b"),
        ("x < 5", "x > 5"),
        ("It costs 5% more", "It costs €5 more"),
        ("dog bites man", "man bites dog"),
        ("Paris", ""),
    ],
)
def test_contradicting_texts_are_not_the_same(left: str, right: str) -> None:
    assert similarity(left, right) <= 0.75
    # Not even where all that stands around it is the same.
    padding = " ".join(f"and step {word} follows from what was said before." for word in "abcdefghijklmnopqrstuvwxyz")
    if right and "dog" not in left:
        assert similarity(f"{padding} {left}", f"{padding} {right}") <= 0.6


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The answer is 4.", "the answer is four"),
        ("It costs 1,000 euros.", "It costs 1000.0 euros!"),
        ("It isn't possible.", "It is not possible"),
        ("It is not possible.", "It is impossible."),
        ("- Paris\n- London", "* Paris\n* London"),
        ("\uff14 apples", "4 apples"),
    ],
)
def test_spelling_makes_no_difference(left: str, right: str) -> None:
    assert similarity(left, right) == pytest.approx(1.0)


_LONG = " ".join(f"Sentence {letter} says what the one before it did not mention yet." for letter in "abcdefghij")


def test_a_shorter_cut_of_the_same_text_agrees() -> None:
    for end in range(60, len(_LONG), 7):
        assert similarity(_LONG[:end], _LONG, left_complete=False, right_complete=False) == pytest.approx(1.0)
        assert similarity(_LONG[:end], _LONG, left_complete=False) == pytest.approx(1.0)


def test_a_cut_through_a_number_is_no_contradiction() -> None:
    assert similarity("It happened in 19", "It happened in 1945", left_complete=False) == pytest.approx(1.0)


def test_a_finished_text_is_compared_whole() -> None:
    assert similarity("Sentence a says.", _LONG) < 0.5
    assert similarity("Sentence a says.", _LONG, right_complete=False) < 0.5


def test_extracted_answers_decide_where_both_are_found() -> None:
    same = [
        "Long talk about it. The answer is 4",
        "Quite another text, but the answer is 04? The answer is 4.",
        "I do not know",
    ]
    assert pairwise(same, [True] * 3, NUMBER)[0][1] == 1.0
    assert agreement(["the answer is 4 of them", "the answer is 5 of them"], [True, True], NUMBER) == 0.0
    assert 0.0 <= agreement(same, [True] * 3, NUMBER) < 1.0


@pytest.mark.parametrize("texts", [[], ["alone"]])
def test_nothing_to_compare_is_full_agreement(texts: list[str]) -> None:
    assert agreement(texts, [False] * len(texts)) == 1.0
