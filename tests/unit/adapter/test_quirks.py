"""What teaches an adapter how its provider takes requests."""

from __future__ import annotations

import pytest

from lightrouter.adapter.quirks import PREFILL, Learnt, Quirks, Remedy, Tries


@pytest.mark.parametrize(
    ("replies", "learnt"),
    [([True], False), ([True, True], True), ([True, False, True], False), ([True, False, True, True], True)],
)
def test_only_prefills_ignored_in_a_row_say_that_the_model_cannot_go_on(replies: list[bool], learnt: bool) -> None:
    known = Learnt("a")
    for ignored in replies:
        known.prefill_ignored(ignored)
    assert known.quirks.writes_anew is learnt


def test_of_two_limits_the_smaller_is_kept_to() -> None:
    for one, other in ((100, 50), (50, 100)):
        assert (Quirks(most_tokens=one) | Quirks(most_tokens=other)).most_tokens == 50


def test_tries_have_an_end_however_many_refusals_are_named() -> None:
    tries = Tries(Learnt("a"), lambda _: None)
    named = (Remedy("seed", Quirks(refused=frozenset({"seed"})), named=True),)
    assert [tries.again(named) for _ in range(8)] == [True] * 7 + [False]


def test_a_guess_before_another_refusal_was_right() -> None:
    put: list[Quirks] = []
    tries = Tries(Learnt("a"), put.append)
    tries.again((Remedy("seed", Quirks(refused=frozenset({"seed"}))),))
    tries.again((Remedy("top_p", Quirks(refused=frozenset({"top_p"})), named=True),))
    assert put[-1].refused == {"seed", "top_p"}


def test_guesses_are_tried_one_by_one_and_then_all_at_once() -> None:
    put: list[Quirks] = []
    tries = Tries(Learnt("a"), put.append)
    guesses = tuple(Remedy(name, Quirks(refused=frozenset({name}))) for name in ("seed", "top_p"))
    assert [tries.again(guesses) for _ in range(4)] == [True, True, True, False]
    assert [each.refused for each in put] == [{"seed"}, {"top_p"}, {"seed", "top_p"}]


def test_what_was_taken_before_is_suspected_no_more_but_for_a_prefill() -> None:
    known = Learnt("a")
    known.taken(frozenset({"seed", PREFILL}), [])
    for feature, suspected in (("seed", False), ("top_p", True), (PREFILL, True)):
        assert Tries(known, lambda _: None).again((Remedy(feature, Quirks()),)) is suspected


def test_of_many_refused_values_the_oldest_are_forgotten() -> None:
    known = Learnt("a")
    for number in range(20):
        name = f"temperature={number}"
        known.taken(frozenset(), [Remedy(name, Quirks(refused=frozenset({name})), named=True)])
    assert known.quirks.refused == {f"temperature={number}" for number in range(4, 20)}
