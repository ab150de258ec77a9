from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.contradictions import contradictions
from lightrouter.v1.policy_pb2 import AnswerPattern


@pytest.mark.parametrize(
    ("left", "right", "sentence"),
    [
        ("Well. It is safe.", "It is not safe. Bye.", "a says “It is safe.”, but b says “It is not safe.”."),
        ("Yes.", "No.", "a says “Yes.”, but b says “No.”."),
        (
            "The war ended in 1945.",
            "The war ended in May 1946.",
            "a says “The war ended in 1945.”, but b says “The war ended in May 1946.”.",
        ),
        (
            "Its capital is Sydney.",
            "Its capital is Canberra.",
            "a says “Its capital is Sydney.”, but b says “Its capital is Canberra.”.",
        ),
    ],
)
def test_sentences_that_contradict_each_other_are_named(left: str, right: str, sentence: str) -> None:
    assert [found.sentence(["a", "b"]) for found in contradictions([left, right])] == [sentence]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The train takes 3 hours.", "The train takes 3 hours and costs 20 euros."),
        ("Boil the water.", "Stir the sauce for 5 minutes."),
        ("It is impossible.", "It is not possible."),
        ("", "Something."),
    ],
)
def test_more_or_other_words_are_no_contradiction(left: str, right: str) -> None:
    assert contradictions([left, right]) == []


def test_different_extracted_answers_come_first() -> None:
    texts = ["So the answer is 4", "Hence answer is 5", "I say: answer is 4.0"]
    found = contradictions(texts, AnswerPattern(re2=r"answer is ([\d.]+)"))
    assert found[0].sentence(["a", "b", "c"]) == "a and c answer “4”, but b answers “5”."


@given(st.lists(st.text(st.sampled_from("ab 12.not\n"), max_size=300), max_size=10))
def test_any_texts_give_at_most_eight_sentences(texts: list[str]) -> None:
    found = contradictions(texts, AnswerPattern(re2=r"\d"))
    assert len(found) <= 8
    for contradiction in found:
        assert len(contradiction.sides) >= 2
        assert contradiction.sentence([str(index) for index in range(len(texts))]).endswith(".")


def test_quotes_are_short() -> None:
    (found,) = contradictions([f"The {'very ' * 200} long count is 4", f"The {'very ' * 200} long count is 5"])
    assert len(found.sentence(["a", "b"])) < 400
