"""How an adapter learns the quirks of its provider."""

from __future__ import annotations

import pytest

from lightrouter.adapter.quirks import PREFILL, LearnedQuirks, Quirks, QuirkTrials, Remedy


@pytest.mark.parametrize(
    ("replies", "learned"),
    [([True], False), ([True, True], True), ([True, False, True], False), ([True, False, True, True], True)],
)
def test_only_prefills_ignored_in_a_row_say_that_the_model_cannot_go_on(replies: list[bool], learned: bool) -> None:
    known = LearnedQuirks("a")
    for ignored in replies:
        known.prefill_ignored(ignored)
    assert known.quirks.refuses_prefill is learned


def test_the_smaller_of_two_limits_holds() -> None:
    for one, other in ((100, 50), (50, 100)):
        assert (Quirks(most_tokens=one) | Quirks(most_tokens=other)).most_tokens == 50


def test_tries_have_an_end_however_many_refusals_are_named() -> None:
    trials = QuirkTrials(LearnedQuirks("a"), lambda _: None)
    named = (Remedy("seed", Quirks(refused=frozenset({"seed"})), named=True),)
    assert [trials.try_next(named) for _ in range(8)] == [True] * 7 + [False]


def test_a_guess_before_another_refusal_was_right() -> None:
    put: list[Quirks] = []
    trials = QuirkTrials(LearnedQuirks("a"), put.append)
    trials.try_next((Remedy("seed", Quirks(refused=frozenset({"seed"}))),))
    trials.try_next((Remedy("top_p", Quirks(refused=frozenset({"top_p"})), named=True),))
    assert put[-1].refused == {"seed", "top_p"}


def test_guesses_are_tried_one_by_one_and_then_all_at_once() -> None:
    put: list[Quirks] = []
    trials = QuirkTrials(LearnedQuirks("a"), put.append)
    guesses = tuple(Remedy(name, Quirks(refused=frozenset({name}))) for name in ("seed", "top_p"))
    assert [trials.try_next(guesses) for _ in range(4)] == [True, True, True, False]
    assert [each.refused for each in put] == [{"seed"}, {"top_p"}, {"seed", "top_p"}]


def test_accepted_members_are_not_suspected_except_a_prefill() -> None:
    known = LearnedQuirks("a")
    known.accepted(frozenset({"seed", PREFILL}), [])
    for feature, suspected in (("seed", False), ("top_p", True), (PREFILL, True)):
        assert QuirkTrials(known, lambda _: None).try_next((Remedy(feature, Quirks()),)) is suspected


def test_the_oldest_of_many_refused_values_are_forgotten() -> None:
    known = LearnedQuirks("a")
    for number in range(20):
        name = f"temperature={number}"
        known.accepted(frozenset(), [Remedy(name, Quirks(refused=frozenset({name})), named=True)])
    assert known.quirks.refused == {f"temperature={number}" for number in range(4, 20)}


@pytest.mark.parametrize(
    "word", ["prefill", "system role", "turns that do not alternate", "answers in one piece", "seed", "temperature=0.0"]
)
def test_what_an_entry_states_is_what_is_reported(word: str) -> None:
    assert Quirks.stated([word]).described() == [word]
    assert Quirks.stated([word]) | Quirks() == Quirks.stated([word]) != Quirks()
