"""The paper's route pays for its judge and its synthesizer, the best model of the training prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.baselines.single import best
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.lab.policies.paper import Paper
from lightrouter.recording import prices
from tests.unit.lab import pool


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    path: Path = tmp_path_factory.mktemp("paper") / "recording.jsonl"
    return pool.judged(pool.record(path, 12))


@pytest.fixture(scope="module")
def decisions(judged: LabelledData) -> list[Decision]:
    paper = Paper(5, None, pool.LETTERS, prices.load())
    paper.fit(judged)
    return paper.decide(judged.questions)


def test_the_judge_reads_every_partial_and_writes_on_each(judged: LabelledData, decisions: list[Decision]) -> None:
    helper = best(judged)
    for index, decision in enumerate(decisions):
        boots, judge, completions, merge = decision.stages
        prompt = int(judged.questions.input_tokens[index, helper]) + 200
        assert judge == [Call(helper, prompt + sum(call.output_tokens for call in boots), 25 * len(pool.MODELS))]
        written = dict.fromkeys(range(len(pool.MODELS)), 0)
        for call in [*boots, *completions]:
            assert isinstance(call.model, int)
            written[call.model] += call.output_tokens
        drafts = [written[model] for model in decision.chosen]
        assert len(drafts) == 2
        assert merge == [Call(helper, prompt + sum(drafts), round(sum(drafts) / 2))]


def test_a_draft_that_goes_on_is_the_whole_recorded_text(judged: LabelledData, decisions: list[Decision]) -> None:
    for index, decision in enumerate(decisions):
        boots, _, completions, _ = decision.stages
        for model in decision.chosen:
            written = sum(call.output_tokens for call in [*boots, *completions] if call.model == model)
            assert written == pytest.approx(judged.questions.output_tokens[index, model], abs=2)
