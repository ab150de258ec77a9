"""The gain of one more answer: who is right together with whom, and what the features of a state are."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.features import Candidate, question
from lightrouter.learned.featurizer import Featurizer
from lightrouter.learned.gain import NAMES, OVERALL, Answered, Gains, Known, rows
from lightrouter.learned.joint import Joint, Outcome, posterior
from lightrouter.learned.priors import Example, Neighbours, Priors
from lightrouter.learned.trees import Tree
from lightrouter.learned.words import hashed_words

ALIKE = ("one", "twin", "other")
"""`twin` is right where `one` is; `other` is right where they are wrong, and on every tenth prompt besides."""


def example(number: int) -> Example:
    one = float(number % 2)
    quality = [one, one, max(1 - one, float(number % 10 == 0))]
    return Example(hashed_words(f"prompt w{chr(97 + number % 26)}"), quality, [100, 100, 100])


def known(prompt: str = "a prompt unlike all") -> Known:
    examples = [example(number) for number in range(200)]
    priors = Priors(ALIKE, examples)
    return Known.of(question(prompt, priors.neighbours(prompt)), Featurizer(priors), Joint(examples))


def answered(name: str, answer: str | None, quality: float) -> Answered:
    return Answered(Candidate(name, 0.5, 0), quality, answer, 100)


def feature(name: str, state: list[Answered], *unasked: str) -> list[float]:
    found = rows(known(), state, [Candidate(each, 0.5, 0) for each in unasked])
    return [row[NAMES.index(name)] for row in found]


def test_a_candidate_that_errs_with_the_asked_one_fixes_nothing_and_one_that_errs_elsewhere_does() -> None:
    twin, other = feature("fixes", [answered("one", "A", 0.5)], "twin", "other")
    assert twin < 0.01
    assert other == pytest.approx(0.5, abs=0.05)


def test_those_who_always_agree_have_one_vote() -> None:
    alone = feature("held", [answered("one", "A", 0.6), answered("other", "B", 0.4)], "twin")
    agreed = feature("held", [answered("one", "A", 0.6), answered("twin", "A", 0.6), answered("other", "B", 0.4)], "x")
    assert agreed == pytest.approx(alone, abs=0.02)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ([], {"asked": 0, "best": 0, "second": 0, "agreeing": 0, "answers": 0, "answered": 0, "none_right": 1}),
        ([("one", "A", 0.6)], {"asked": 1, "best": 0.6, "second": 0, "agreeing": 1, "answers": 1, "answered": 1}),
        ([("one", None, 0.6)], {"asked": 1, "answers": 1, "answered": 0}),
        ([("one", None, 0.6), ("other", None, 0.3)], {"answers": 2, "agreeing": 1, "second": 0.3, "lead": 0.3}),
        ([("one", "A", 0.6), ("other", "A", 0.5)], {"answers": 1, "agreeing": 2, "second": 0, "lead": 0.6}),
        ([("one", "A", 0.2), ("other", "B", 0.5)], {"answers": 2, "agreeing": 1, "second": 0.2, "best": 0.5}),
    ],
)
def test_the_state_is_told_by_its_answers(
    state: list[tuple[str, str | None, float]], expected: dict[str, float]
) -> None:
    (row,) = rows(known(), [answered(*each) for each in state], [Candidate("twin", 0.5, 0)])
    found = dict(zip(NAMES, row, strict=True))
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_a_stranger_errs_independently() -> None:
    (right,) = feature("right_given", [answered("one", "A", 0.5)], "stranger")
    (expected,) = feature("expected", [answered("one", "A", 0.5)], "stranger")
    assert right == pytest.approx(expected)
    twin, nobody = feature("fixes", [answered("stranger", "A", 0.5)], "twin", "nobody")
    assert twin == pytest.approx(0.25, abs=0.1)
    assert nobody > 0


def test_candidates_keep_their_places_whoever_is_a_stranger() -> None:
    state = [answered("one", "A", 0.5)]
    alone = feature("fixes", state, "twin") + feature("fixes", state, "nobody") + feature("fixes", state, "other")
    assert feature("fixes", state, "twin", "nobody", "other") == pytest.approx(alone, abs=1e-3)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_posterior_is_a_distribution(seed: int, candidates: int) -> None:
    drawn = random.Random(seed)
    outcomes = [Outcome(2**candidates - 1, drawn.randrange(2**candidates)) for _ in range(30)]
    shares = {outcome: count / 30 for outcome, count in Counter(outcomes).items()}
    places = list(range(candidates))
    drawn.shuffle(places)
    asked = places[: drawn.randint(0, candidates)]
    groups: dict[int, int] = {}
    for place in asked:
        answer = drawn.randrange(3)
        groups[answer] = groups.get(answer, 0) | 1 << place
    others = [place for place in places if place not in asked]
    found = posterior(shares, list(groups.values()), others)
    assert sum(found.groups) + found.none == pytest.approx(1)
    for other in range(len(others)):
        assert 0 < found.right(other) < 1
        assert all(part <= whole for part, whole in zip(found.others[other], [*found.groups, found.none], strict=True))


def test_prompts_without_an_outcome_of_an_asked_candidate_do_not_count() -> None:
    joint = Joint([Example({}, [1.0, None], [1, 0])] * 5 + [Example({}, [0.0, 1.0], [1, 1])])
    found = posterior(joint.overall, [0b01], [1])
    assert found.groups[0] < 0.01
    assert found.right(0) > 0.99


def test_similar_prompts_count_more() -> None:
    cats = [Example(hashed_words(f"cats purr number{word}"), [1.0, 0.0], [1, 1]) for word in "abcdefghij"]
    stars = [Example(hashed_words(f"stars orbit number{word}"), [0.0, 1.0], [1, 1]) for word in "klmnopqrst"]
    examples = [*cats, *stars, *[Example(hashed_words("wholly else"), [0.0, 0.0], [1, 1])] * 100]
    joint, priors = Joint(examples), Priors(("cats", "stars"), examples)
    near = joint.near(priors.neighbours("Why do cats purr?"))
    assert sum(near.values()) == pytest.approx(1)
    assert near[Outcome(0b11, 0b01)] > 0.5 > 0.2 > near[Outcome(0b11, 0b10)]
    assert joint.near(Neighbours()) == pytest.approx(joint.overall)


def test_the_first_answer_has_trees_of_its_own_and_gains_stay_in_range() -> None:
    leaf = {value: [Tree([-1], [value], [0], [0])] for value in (0.7, 3.0)}
    gains = Gains(first=leaf[0.7], later=leaf[3.0])
    assert gains.gain([0.0] * len(NAMES)) == 0.7
    assert gains.gain([1.0] * len(NAMES)) == 1


@pytest.mark.parametrize(("share", "gain"), [(0.0, 0.5), (0.25, 0.55), (1.0, 0.7)])
def test_the_first_gain_is_between_the_mean_of_the_candidate_and_the_trees(share: float, gain: float) -> None:
    row = [0.0] * len(NAMES)
    row[OVERALL] = 0.5
    gains = Gains([Tree([-1], [0.7], [0], [0])], [Tree([-1], [0.1], [0], [0])], first_share=share)
    assert gains.gain(row) == pytest.approx(gain)
    row[0] = 1.0
    assert gains.gain(row) == 0.1


def test_lengths_are_told_beside_the_expected_ones() -> None:
    long, short = (Answered(Candidate("one", 0.5, 0), 0.5, "A", length) for length in (1000, 10))
    assert feature("length_so_far", [], "twin") == [0]
    assert feature("length_so_far", [long], "twin")[0] > 1.5 > -0.5 > feature("length_so_far", [short], "twin")[0]
    assert feature("shortest", [long, short], "twin") == feature("shortest", [short], "twin")
    assert feature("expected_length", [], "twin", "stranger")[1] == 0


def test_a_length_is_a_share_that_never_vanishes() -> None:
    row = [0.0] * len(NAMES)
    assert Gains([], []).length_share(row) == 1
    assert Gains([], [], [Tree([-1], [-2.0], [0], [0])]).length_share(row) == 0.1
    assert Gains([], [], [Tree([-1], [1.3], [0], [0])]).length_share(row) == 1.3
