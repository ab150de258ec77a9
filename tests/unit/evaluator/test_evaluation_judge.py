"""Evaluations by a judge: its verdicts, its failures, and answers that it need not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from lightrouter.evaluator.evaluation import End
from lightrouter.evaluator.run import NothingToEvaluateError
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_REJECTED
from tests.unit.evaluator.evaluation_support import QUALITY, Evaluations
from tests.unit.evaluator.fakes import FakeModels, parse, pool_text, settings
from tests.unit.evaluator.predictions import journal_scores


@pytest.fixture
def pool(tmp_path: Path) -> Evaluations:
    return Evaluations(tmp_path)


def judged(count: int) -> bytes:
    lines = [{"id": f"q{n}", "prompt": f"q{n}?", "task": "judge", "reference": "REF"} for n in range(count)]
    return "\n".join(map(json.dumps, lines)).encode()


class Judging(FakeModels):
    """Models that answer with their name; one of them judges, as `verdict` says of an answer and its place."""

    verdict: Callable[[str, int], str]

    def answer(self, name: str, text: str, generation: Generation) -> str:
        if "BEGIN ANSWER" not in text:
            return f"by {name}"
        mine = next(other for other in QUALITY if f"by {other}" in text)
        assert mine != name
        return self.verdict(mine, 0 if text.index(f"by {mine}") < text.index("REF") else 1)


async def test_a_judge_compares_in_both_orders_and_never_itself(pool: Evaluations, tmp_path: Path) -> None:
    pool.path.write_text(pool_text(*QUALITY, more="judge: good\n"))
    models = Judging(QUALITY)
    # All but weak, which is always worse, are as good as the reference: this judge then prefers the first.
    models.verdict = lambda who, place: json.dumps({"better": "B" if who == "weak" and place == 0 else "A"})
    report = await pool.run(models, settings(tmp_path, parse(judged(40))))
    means = {name: scored.tally.mean for name, scored in report.outcome.scores.items()}
    assert means == {"good": 0.5, "fair": 0.5, "weak": 0.0}
    assert {name for name, text in models.calls if "BEGIN ANSWER" in text} == {"good", "fair"}
    kept = journal_scores(tmp_path / "pool.evaluation.jsonl")
    assert set(kept["weak"].values()) == {0.0}
    assert len(kept["fair"]) == len(report.outcome.scores["fair"].by_prompt)


async def test_a_judge_that_cannot_be_read_is_given_up_after_a_few_answers(pool: Evaluations, tmp_path: Path) -> None:
    pool.path.write_text(pool_text(*QUALITY, more="judge: good\n"))
    models = Judging(QUALITY)
    models.verdict = lambda who, place: "?"
    told = settings(tmp_path, parse(judged(60)))
    report = await pool.run(models, told)
    assert report.outcome.end is End.UNREADABLE
    assert report.outcome.judge_fault == (
        "the judge good gave no verdict on 6 of 6 answers: what it wrote is no verdict"
    )
    assert {scored.tally.seen for scored in report.outcome.scores.values()} == {0}
    assert not pool.held()
    assert sum("BEGIN ANSWER" not in text for _, text in models.calls) == 3 * 3
    # Each answer in both orders, each twice.
    assert sum("BEGIN ANSWER" in text for _, text in models.calls) == 3 * 3 * 2 * 2

    # Once the judge can be read, nothing but its verdicts is bought again.
    models.verdict = lambda who, place: json.dumps({"better": "tie"})
    again = await pool.run(models, settings(tmp_path, parse(judged(60)), run="run-2"))
    assert again.resumed
    assert again.run == "run-2"
    assert all(scored.tally.seen for scored in again.outcome.scores.values())
    assert max(count for (_, text), count in models.calls.items() if "BEGIN ANSWER" not in text) == 1


async def test_a_judge_that_fails_says_why(pool: Evaluations, tmp_path: Path) -> None:
    pool.path.write_text(pool_text(*QUALITY, more="judge: good\n"))

    class Failing(Judging):
        async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
            if "BEGIN ANSWER" in generation.messages[-1].content:
                raise ServiceError(Code.FAILED_PRECONDITION, ERROR_REASON_UPSTREAM_REJECTED, "no such parameter")
            return await super().generate(target, generation, deadline)

    report = await pool.run(Failing(QUALITY), settings(tmp_path, parse(judged(60))))
    assert report.outcome.end is End.UNREADABLE
    assert report.outcome.judge_fault.endswith("answers: no such parameter")
    assert {scored.failed for scored in report.outcome.scores.values()} == {0}


async def test_a_verdict_that_cannot_be_read_now_and_then_counts_for_nothing(pool: Evaluations, tmp_path: Path) -> None:
    pool.path.write_text(pool_text(*QUALITY, more="judge: good\n"))
    models = Judging(QUALITY)
    models.verdict = lambda who, place: "?" if who == "weak" else json.dumps({"better": "AB"[place]})
    report = await pool.run(models, settings(tmp_path, parse(judged(20))))
    assert report.outcome.end is End.ASKED
    assert report.outcome.scores["weak"].tally.seen == 0
    assert report.outcome.scores["weak"].failed == 0
    assert report.outcome.scores["fair"].tally == (20, 20.0)


async def test_a_verdict_in_one_order_alone_is_none_and_the_judge_is_asked_coldly(
    pool: Evaluations, tmp_path: Path
) -> None:
    pool.path.write_text(pool_text(*QUALITY, more="judge: good\n"))
    asked: list[Generation] = []

    class Noting(Judging):
        def answer(self, name: str, text: str, generation: Generation) -> str:
            asked.append(generation)
            return super().answer(name, text, generation)

    models = Noting(QUALITY)
    # The first one has won, as far as the reply can be read.
    models.verdict = lambda who, place: "?" if who == "weak" and place else json.dumps({"better": "A"})
    report = await pool.run(models, settings(tmp_path, parse(judged(20))))
    assert report.outcome.scores["weak"].tally.seen == 0
    assert report.outcome.scores["fair"].tally == (20, 10.0)
    judging = [each for each in asked if "BEGIN ANSWER" in each.messages[-1].content]
    assert all(each.sampling.HasField("temperature") and each.sampling.temperature == 0 for each in judging)
    assert not any(each.sampling.HasField("temperature") for each in asked if each not in judging)


async def test_a_set_for_a_judge_needs_one(pool: Evaluations, tmp_path: Path) -> None:
    pool.path.write_text(pool_text(*QUALITY).replace("{name", "{state: evicted, name"))
    with pytest.raises(NothingToEvaluateError, match="needs a judge"):
        await pool.run(Judging(QUALITY), settings(tmp_path, parse(judged(4))))


class ManyWays(FakeModels):
    """Models whose right number is 1234567 and is written in another way each time."""

    WAYS = (
        "1,234,567",
        "$1{,}234{,}567$",
        "1 234 567",
        "#### 1,234,567",
        "It is 1'234'567.",
        "\\boxed{1,\\!234,\\!567}",
    )

    def answer(self, name: str, text: str, generation: Generation) -> str:
        right = super().answer(name, text, generation) == "B"
        return Random(text).choice(self.WAYS) if right else "567"


async def test_a_right_candidate_stays_however_the_number_is_written(pool: Evaluations, tmp_path: Path) -> None:
    lines = [{"id": f"q{n}", "prompt": f"q{n}?", "task": "numeric", "answer": 1234567} for n in range(300)]
    items = parse("\n".join(map(json.dumps, lines)).encode())
    await pool.run(ManyWays({"good": 1.0, "fair": 1.0, "weak": 0.0}), settings(tmp_path, items))
    statuses = statefile.load(pool.states)
    assert pool.held() == {"good": State.ADMITTED, "fair": State.ADMITTED, "weak": State.EVICTED}
    assert [each.evaluation.score for each in statuses.values() if each.evaluation] == [1.0, 1.0, 0.0]
