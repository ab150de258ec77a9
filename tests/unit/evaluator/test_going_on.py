"""An evaluation that goes on: nothing is bought twice, and nothing counts that something else has said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.evaluation import End
from lightrouter.pool.choices import State
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget
from tests.unit.evaluator.evaluation_support import Evaluations
from tests.unit.evaluator.fakes import FakeModels, parse, pool_text, prompts, settings
from tests.unit.evaluator.test_evaluation_judge import Judging, judged

QUALITY = {"good": 0.85, "fair": 0.8, "weak": 0.15}
ITEMS = prompts(300)


@pytest.fixture
def pool(tmp_path: Path) -> Evaluations:
    return Evaluations(tmp_path)


async def test_night_by_night_a_small_budget_comes_to_what_a_large_one_does(tmp_path: Path) -> None:
    whole_folder, folder = tmp_path / "whole", tmp_path / "nights"
    whole_folder.mkdir()
    folder.mkdir()
    whole, pool = Evaluations(whole_folder), Evaluations(folder)
    expected_models, models = FakeModels(QUALITY), FakeModels(QUALITY)
    expected = await whole.run(expected_models, settings(whole_folder, ITEMS))
    ends, spent = [], 0
    for night in range(40):
        limits = Limits(tokens=1500)
        before = models.spent_tokens
        report = await pool.run(models, settings(folder, ITEMS, run=f"night-{night}", seed=1, limits=limits))
        assert models.spent_tokens - before <= 1500
        assert report.run == f"night-{night}"
        ends.append(report.outcome.end)
        spent += report.spent.tokens
        if report.outcome.end is not End.SPENT:
            break
    assert len(ends) > 2
    assert ends[-1] is End.DECIDED
    assert models.calls == expected_models.calls
    assert set(models.calls.values()) == {1}
    assert spent == expected.spent.tokens
    assert pool.held() == whole.held() == {"good": State.ADMITTED, "fair": State.ADMITTED, "weak": State.EVICTED}
    # A finished evaluation is not continued.
    report = await pool.run(models, settings(folder, ITEMS, run="later", seed=1))
    assert not report.resumed
    assert set(models.calls.values()) == {2}


CHANGES = {
    "model": ("model: m-weak", "model: m-better"),
    "endpoint": ("name: weak, base_url: 'http://h'", "name: weak, base_url: 'http://other'"),
    "sampling": ("name: weak", "sampling: {temperature: 0.5}, name: weak"),
    "instructions": ("name: weak", "system_prompt: Be brief., name: weak"),
    "body": ("name: weak", "extra_body: {top_k: 1}, name: weak"),
    "thinking": ("name: weak", "thinking: open, name: weak"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_only_changed_candidates_are_asked_anew(pool: Evaluations, tmp_path: Path, change: str) -> None:
    models = FakeModels(QUALITY)
    await pool.run(models, settings(tmp_path, ITEMS, limits=Limits(tokens=2000)))
    bought = Counter(name for name, _ in models.calls)
    assert min(bought[name] for name in QUALITY) > 0
    pool.path.write_text(pool.path.read_text().replace(*CHANGES[change]))
    models.quality["weak"] = 0.9
    report = await pool.run(models, settings(tmp_path, ITEMS, run="run-2"))
    again = Counter(name for (name, _), count in models.calls.items() if count == 2)
    assert again == {"weak": bought["weak"]}
    assert report.outcome.scores["weak"].tally.mean > 0.7


@pytest.mark.parametrize(
    "change",
    [
        ("name: weak", "prior: 0.1, name: weak"),
        ("name: weak", "limits: {retries: 0}, name: weak"),
        ('output: "0.002"', 'output: "0.004"'),
        ("candidates:", "synthesizer: good\ncandidates:"),
    ],
)
async def test_changes_that_no_answer_depends_on_cost_nothing(
    pool: Evaluations, tmp_path: Path, change: tuple[str, str]
) -> None:
    models = FakeModels(QUALITY)
    await pool.run(models, settings(tmp_path, ITEMS, limits=Limits(tokens=2000)))
    pool.path.write_text(pool.path.read_text().replace(*change))
    await pool.run(models, settings(tmp_path, ITEMS, run="run-2"))
    assert set(models.calls.values()) == {1}


@pytest.mark.parametrize("changed", ["good", "weak"])
async def test_a_verdict_is_of_its_judge_and_of_what_it_judged(pool: Evaluations, tmp_path: Path, changed: str) -> None:
    pool.path.write_text(pool_text(*QUALITY, more="judge: good\n"))
    models = Judging(QUALITY)
    models.verdict = lambda who, place: '{"better": "A"}'
    await pool.run(models, settings(tmp_path, parse(judged(60)), limits=Limits(tokens=30_000)))
    verdicts = [(name, text) for name, text in models.calls if name == "good" and "by weak" in text]
    assert verdicts
    pool.path.write_text(pool.path.read_text().replace(f"model: m-{changed}", "model: m-other"))
    await pool.run(models, settings(tmp_path, parse(judged(60)), run="run-2"))
    assert {models.calls[each] for each in verdicts} == {2}
    others = [(name, text) for name, text in models.calls if name == "fair" and "BEGIN ANSWER" not in text]
    assert {models.calls[each] for each in others} == {1}


class Retrying(FakeModels):
    """Models whose adapter needs three attempts a call, each of which the provider bills."""

    def __init__(self, attempts: int) -> None:
        super().__init__(QUALITY)
        self.attempts = attempts
        self.billed = 0

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        response = await super().generate(target, generation, deadline)
        usage = response.result.usage
        self.billed += self.attempts * (usage.input_tokens + usage.output_tokens)
        response.result.attempts = self.attempts
        return response


@pytest.mark.parametrize("attempts", [1, 2, 3])
async def test_attempts_that_may_be_billed_are_within_the_budget(
    pool: Evaluations, tmp_path: Path, attempts: int
) -> None:
    models = Retrying(attempts)
    report = await pool.run(models, settings(tmp_path, ITEMS, limits=Limits(tokens=1000)))
    assert report.outcome.end is End.SPENT
    assert models.billed <= report.spent.tokens <= 1000
    assert models.billed > 0


async def test_an_entry_without_retries_reserves_one_attempt(pool: Evaluations, tmp_path: Path) -> None:
    models = FakeModels(QUALITY)
    limits = Limits(tokens=40)
    await pool.run(models, settings(tmp_path, ITEMS, limits=limits))
    # One attempt is at most 16 + 3 or 4 + 10 tokens, three are over 40.
    assert not models.calls
    pool.path.write_text(pool_text(*QUALITY).replace("{name", "{limits: {retries: 0}, name"))
    await pool.run(models, settings(tmp_path, ITEMS, run="run-2", limits=limits))
    assert sum(models.calls.values()) == 1


async def test_a_candidate_that_writes_more_than_its_limit_is_reserved_more(pool: Evaluations, tmp_path: Path) -> None:
    class Greedy(FakeModels):
        async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
            response = await super().generate(target, generation, deadline)
            response.result.usage.input_tokens = 90
            return response

    pool.path.write_text(pool_text(*QUALITY).replace("{name", "{limits: {retries: 0}, name"))
    report = await pool.run(Greedy(QUALITY), settings(tmp_path, ITEMS, limits=Limits(tokens=4000)))
    assert report.outcome.end is End.SPENT
    # The first round could not know; from the second on it is within.
    assert 2400 < report.spent.tokens <= 4000
