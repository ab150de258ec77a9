"""The reasons of a predicted quality."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.artifact import GENERAL, load
from lightrouter.learned.features import NAMES
from lightrouter.learned.reasons import Reasons
from lightrouter.learned.trees import Tree, total
from tests.unit.learned.test_artifact import PROMPTS, artifact, contenders

TREES = load(GENERAL).model.trees[:20]


def stump(feature: str, low: float, high: float) -> Tree:
    return Tree([NAMES.index(feature), -1, -1], [0.5, low, high], [1, 0, 0], [2, 0, 0])


def row(**values: float) -> list[float]:
    return [values.get(name, 0.0) for name in NAMES]


def test_the_three_strongest_are_named_with_their_side() -> None:
    reasons = Reasons(
        [
            stump("near", 0, 4),
            stump("support", 3, 0),
            stump("length", 0, -2),
            stump("hedges", 0, 1),
            stump("maths", 0, 0),
        ]
    )
    assert reasons.sentence(row(near=1, support=1, length=1, hedges=1)) == (
        "for it: its record on prompts like this one; against it: who gives the same answer, the length of its text"
    )


def test_only_the_best_candidate_has_reasons() -> None:
    found = artifact().model.estimates(PROMPTS[0], contenders())
    best = max(found, key=lambda each: each.quality)
    assert [each for each in found if each.reasons] == [best]


def test_features_of_one_kind_count_together() -> None:
    reasons = Reasons([stump("near", 0, 1), stump("wide", 0, 1), stump("length", 0, 1.5)])
    assert reasons.sentence(row(near=1, wide=1, length=1)).startswith("for it: its record on prompts like this one, ")
    assert reasons.sentence(row(near=1, length=1)) == "for it: the length of its text"


def test_nothing_that_moves_is_no_reason() -> None:
    assert Reasons([]).sentence(row()) == ""
    assert Reasons([Tree([-1], [3.0], [0], [0])]).sentence(row()) == ""


@given(st.integers(0, 2**32))
def test_the_shares_are_the_whole_prediction_beside_its_mean(seed: int) -> None:
    drawn = random.Random(seed)
    reasons = Reasons(TREES)
    one, other = ([drawn.uniform(-2, 2) for _ in NAMES] for _ in range(2))
    moved = sum(reasons.shares(one).values()) - sum(reasons.shares(other).values())
    assert moved == pytest.approx(total(TREES, one) - total(TREES, other), abs=1e-6)
