"""The quality of candidates, by their prior or by their evaluation."""

from __future__ import annotations

import pytest

from lightrouter.router.candidates import quality
from lightrouter.router.context import RouteContext
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.rules import Shares
from lightrouter.router.stages.boot import boot
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import Candidate, CategoryScore, Evaluation
from tests.unit.router.builders import admitted, defaults, pool_candidate, prompt, snapshot
from tests.unit.router.fakes import FakeModels, Model


def evaluated() -> Candidate:
    found = pool_candidate("a", prior=0.9)
    kinds = [CategoryScore(category="law", score=0.1, prompts=8)]
    found.evaluation.CopyFrom(Evaluation(score=0.6, prompts=100, categories=kinds))
    return found


def test_a_guess_holds_until_there_is_an_evaluation() -> None:
    assert quality(pool_candidate("a", prior=0.9), "law") == (0.9, 0)
    assert quality(evaluated()) == (0.6, 100)
    assert quality(evaluated(), "art") == (0.6, 100)


def test_one_kind_of_prompt_counts_for_itself_with_a_little_of_all() -> None:
    score, prompts = quality(evaluated(), "law")
    assert prompts == 8
    assert score == pytest.approx((0.1 * 8 + 0.6 * 2) / 10)


async def test_the_selector_gets_the_evaluation_and_the_judge_is_the_best_by_it() -> None:
    found = evaluated()
    found.model = "model-a"
    models = FakeModels(snapshot(found, pool_candidate("b", prior=0.7)), a=Model(), b=Model())
    ledger = RouteLedger()
    admission, budget = admitted(prompt(category="law"), models.snapshot, defaults(), 7, ledger)
    route = RouteContext(admission, Deadline.after(60.0), Shares(grace_s=0.0), ledger, budget, Events())
    partial = next(each.partial for each in await boot(route, models) if each.candidate.name == "a")
    assert partial.prior == pytest.approx(0.2)
    assert (partial.evaluated_prompts, partial.model) == (8, "model-a")
    assert admission.judge.name == "b"
