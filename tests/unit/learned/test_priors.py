from __future__ import annotations

import pytest

from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.words import hashed_words


def example(prompt: str, *quality: float | None) -> Example:
    return Example(hashed_words(prompt), quality, [100 if each is not None else 0 for each in quality])


def history() -> Priors:
    cats = [example(f"cats purr whiskers number{word}", 1.0, 0.0) for word in "abcdefghij"]
    stars = [example(f"stars orbit galaxy number{word}", 0.0, 1.0) for word in "klmnopqrst"]
    return Priors(("cats", "stars"), cats * 3 + stars * 3 + [example("else wholly other", 0.5, 0.5)] * 300)


def test_the_neighbourhood_tells_who_is_good_at_what() -> None:
    known = history()
    neighbours = known.neighbours("Why do cats purr with whiskers?")
    cats, stars = known.prior("cats", neighbours), known.prior("stars", neighbours)
    assert cats.near > 0.8 > 0.3 > stars.near
    assert cats.overall == pytest.approx(stars.overall)
    assert cats.expected > stars.expected
    assert [one.similarity for one in neighbours] == sorted((one.similarity for one in neighbours), reverse=True)


def test_a_prompt_unlike_all_has_no_neighbours_and_the_overall_quality() -> None:
    known = history()
    prior = known.prior("cats", known.neighbours("zzz qqq"))
    assert prior.near == prior.wide == prior.overall
    assert known.neighbours("") == []


def test_few_outcomes_are_shrunk_to_the_mean_of_all() -> None:
    known = Priors(("many", "few"), [example("x", 0.5, None)] * 100 + [example("y", 0.5, 1.0)])
    assert known.prior("few", []).overall < 0.6
    assert known.prior("few", []).evidence == 1
    with pytest.raises(KeyError):
        known.prior("nobody", [])


def test_a_stranger_is_as_good_as_the_pool_says_as_far_as_that_rests_on_prompts() -> None:
    known = history()
    assert known.prior_of_stranger(0.9, 10_000).overall == pytest.approx(0.9, abs=0.01)
    assert known.prior_of_stranger(0.9, 0).overall < 0.6
    assert known.prior_of_stranger(0.9, 0).overall > known.prior_of_stranger(0.8, 0).overall


def test_the_length_of_an_answer_tells_its_quality() -> None:
    outcomes = [Example({}, [0.0], [20])] * 200 + [Example({}, [1.0], [2000])] * 200
    known = Priors(("a",), outcomes)
    assert known.given_length("a", 0.5, 20, complete=True) < 0.1
    assert known.given_length("a", 0.5, 200, complete=False) > 0.9
    assert known.given_length("nobody", 0.5, 20, complete=True) == 0.5
    assert known.expected_length("a", []) == pytest.approx(1010)
    assert known.expected_length("nobody", []) is None
