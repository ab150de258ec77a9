"""A recorded candidate goes bad and recovers: the evaluator's and the router's own logic, in a few seeded runs."""

from __future__ import annotations

from random import Random
from typing import get_args

import pytest

from lightrouter.evaluator.decision import Rules
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.dataset.scorer import RecordedScorer
from lightrouter.lab.policies.simulation import Draw, Kind, Plan, scratch, shuffled, simulate
from lightrouter.pool.choices import State
from lightrouter.recording import prices
from lightrouter.recording.load import load_labelled
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, SELECTOR_STRATEGY_PRIOR, AnswerPattern, Policy
from tests import recordings

QUALITY = {"best": 0.95, "good": 0.85, "fair": 0.8, "more": 0.8}
LETTERS = "ABCDEFGHIJ"
PROMPTS = 160
SEEDS = range(5)
POLICY = Policy(
    boot_tokens=8, k=1, selector=SELECTOR_STRATEGY_PRIOR, aggregator=AGGREGATOR_STRATEGY_BEST, agreement=1.0, margin=0.0
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    random = Random(3)
    lines = []
    for number in range(PROMPTS):
        right = random.choice(LETTERS)
        responses = {}
        for model, quality in QUALITY.items():
            correct = random.random() < quality
            letter = right if correct else random.choice([each for each in LETTERS if each != right])
            said = f"{model} says of question {number} that the answer is ({letter})."
            responses[model] = {"text": said, "quality": float(correct), "answer": letter}
        lines.append({"id": f"p{number}", "prompt": f"Question {number}?", "answer": right, "responses": responses})
    path = recordings.write(tmp_path_factory.mktemp("data") / "recording.jsonl", lines)
    data = LabelledData.of(load_labelled(path), tuple(QUALITY), AnswerPattern(re2=r"\(([A-J])\)"))
    return Plan(
        data, prices.load(), 0, segments=4, bad=range(2, 3), requests=PROMPTS, validation=PROMPTS, rules=Rules()
    )


def test_shuffled_answers_are_worth_what_chance_is(plan: Plan) -> None:
    recording = plan.data.questions.recording
    bad = shuffled(recording, "best", Random(1))
    dealt = [
        RecordedScorer(plan.data, index).score(prompt.responses["best"].text)
        for index, prompt in enumerate(bad.prompts)
    ]
    assert sum(dealt) / PROMPTS == pytest.approx(0.1, abs=0.08)
    assert sorted(p.responses["best"].text for p in bad.prompts) == sorted(
        p.responses["best"].text for p in recording.prompts
    )
    assert all(p.responses["good"] == q.responses["good"] for p, q in zip(bad.prompts, recording.prompts, strict=True))


async def test_it_is_evicted_at_once_back_at_once_and_nobody_else_is(plan: Plan) -> None:
    for seed in SEEDS:
        with scratch() as folder:
            found = await simulate(plan, Draw(plan, seed), folder, None, "adaptive")
        assert [states["best"] for states in found.states] == [
            State.ADMITTED,
            State.ADMITTED,
            State.EVICTED,
            State.ADMITTED,
        ]
        assert all(states[name] is State.ADMITTED for states in found.states for name in QUALITY if name != "best")
        assert not found.quality


async def test_an_adaptive_pool_loses_less_than_a_static_one_and_no_more_than_the_oracle_wins(
    plan: Plan,
) -> None:
    draw = Draw(plan, 1)
    with scratch() as folder:
        gained = {kind: await simulate(plan, draw, folder, POLICY, kind) for kind in get_args(Kind)}
    assert {len(pool.quality) for pool in gained.values()} == {PROMPTS // 2}
    quality = {kind: sum(pool.quality) for kind, pool in gained.items()}
    assert quality["static"] < quality["adaptive"] <= quality["oracle"] + 3
    assert gained["adaptive"].evaluation_nanousd > 0
    assert gained["static"].evaluation_nanousd == gained["oracle"].evaluation_nanousd == 0
