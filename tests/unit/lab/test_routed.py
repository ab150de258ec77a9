"""Held calls of a route are booked as the boots and completions of a route that cuts them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.lab.policies.engine import selector_with
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.results.accounts import Accounts, Pace
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.learned import artifact
from lightrouter.recording import prices
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    HOLD_ALWAYS,
    HOLD_UNSPECIFIED,
    SELECTOR_STRATEGY_LEARNED,
    SELECTOR_STRATEGY_PRIOR,
    Hold,
    Policy,
)
from tests.unit.lab import pool

# The artifact is loaded once: that takes more than a second.
SELECTOR = selector_with(cache(lambda: artifact.load(artifact.GENERAL).model))
COMMON = Policy(
    aggregator=AGGREGATOR_STRATEGY_BEST, quorum=1, margin=1, agreement=1, boot_tokens=5, answer_pattern=pool.LETTERS
)
POLICIES = (
    Policy(k=1, selector=SELECTOR_STRATEGY_PRIOR),
    Policy(k=2, selector=SELECTOR_STRATEGY_PRIOR),
    # Every boot is a whole answer: nothing goes on.
    Policy(k=2, selector=SELECTOR_STRATEGY_PRIOR, boot_tokens=200),
    # Drafts in turn: the first one goes on, the later ones are second calls.
    Policy(k=3, selector=SELECTOR_STRATEGY_LEARNED, min_gain=0.00001),
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    return pool.judged(pool.record(tmp_path_factory.mktemp("routed") / "recording.jsonl", 12))


def decided(judged: LabelledData, of_test: Policy, hold: Hold.ValueType) -> list[Decision]:
    policy = Policy(hold=hold)
    policy.MergeFrom(COMMON)
    policy.MergeFrom(of_test)
    route = Routed("route", "A route.", policy, prices.load(), SELECTOR)
    route.fit(judged)
    return route.decide(judged.questions)


def in_order(calls: list[Call]) -> list[Call]:
    """Returns the calls by model: they end as they happen to."""
    return sorted(calls, key=lambda call: str(call.model))


@pytest.mark.parametrize("policy", POLICIES)
def test_held_calls_are_booked_as_boots_and_completions(judged: LabelledData, policy: Policy) -> None:
    cut, held = decided(judged, policy, HOLD_UNSPECIFIED), decided(judged, policy, HOLD_ALWAYS)
    for one, other in zip(cut, held, strict=True):
        assert [in_order(list(stage)) for stage in one.stages] == [in_order(list(stage)) for stage in other.stages]
        assert (one.answer, one.k, one.chosen) == (other.answer, other.k, other.chosen)
        assert one.boot_output_tokens == other.boot_output_tokens
    if policy.min_gain:
        assert any(len(each.stages) > 4 for each in cut)


def test_under_worth_a_route_may_begin_with_boots_which_are_booked_as_held(tmp_path: Path) -> None:
    recording = pool.hedged(tmp_path / "recording.jsonl", telling=True, words=300)
    options = TrainingOptions(boot_tokens=(10,), rounds=40, boots=True)
    model = train([recording], options, 0).model
    judged = LabelledData.of(recording, ("one", "two"), pool.LETTERS).take(np.arange(12))
    policy = Policy(
        worth_nanousd=200_000, selector=SELECTOR_STRATEGY_LEARNED, answer_pattern=pool.LETTERS, hold=HOLD_ALWAYS
    )
    listed = prices.load()
    route = Routed("route", "A route.", policy, listed, selector_with(lambda: model))
    route.fit(judged)
    decisions = route.decide(judged.questions)
    begun = [each for each in decisions if each.boot_output_tokens]
    assert begun
    for each in begun:
        boots, selection, going_on, *_ = each.stages
        assert [call.output_tokens for call in boots] == [10, 10]
        assert not selection
        (on,) = going_on
        (boot,) = [call for call in boots if call.model == on.model]
        assert on.input_tokens == boot.input_tokens + 10
        assert on.output_tokens > 200
    booked = Accounts(listed, Pace()).outcomes(judged.questions, judged.quality, decisions)
    assert booked.cost_usd.tolist() == booked.held_cost_usd.tolist()
    assert booked.planned_usd.mean() == pytest.approx(booked.cost_usd.mean(), rel=0.3)
