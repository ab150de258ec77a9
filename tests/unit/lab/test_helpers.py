"""Real calls of models: a judge that favours what it reads first, a judge that babbles, a synthesizer that invents."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightrouter.lab.experiments.run import Settings, experiment
from tests.unit.lab import pool
from tests.unit.lab.test_compare import Steps
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream

FIRST = json.dumps(
    {label: {"consistency": points, "correctness": points} for label, points in {"A": 9, "B": 2, "C": 1}.items()}
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool.record(tmp_path_factory.mktemp("data") / "recording.jsonl", 40, seed=8)


async def _run(name: str, data: Path, out: Path, behaviour: Behaviour) -> dict[str, Any]:
    async with Upstream(behaviour) as upstream:
        models = out / "pool.yaml"
        models.write_text(f"candidates: [{{name: helper, base_url: {upstream.base_url}, model: m}}]")
        settings = Settings(data, out / "report", name=name, folds=2, models=models)
        await asyncio.to_thread(experiment, settings, Steps())
    report: dict[str, Any] = json.loads((out / "report" / "report.json").read_text())
    return report


async def test_a_judge_that_favours_what_it_reads_first_is_found_out(data: Path, tmp_path: Path) -> None:
    llm = (await _run("selector", data, tmp_path, behaviours.reply(FIRST)))["llm"]
    assert llm["read"] == llm["flipped"] == llm["prompts"] > 0
    assert llm["flipped_share"]["mean"] == llm["first_share"]["mean"] == 1
    assert llm["flipped_share"]["low"] < 1
    assert llm["tied"] == 0


async def test_a_judge_that_finds_all_alike_favours_nobody(data: Path, tmp_path: Path) -> None:
    alike = json.dumps({label: {"consistency": 5, "correctness": 5} for label in "ABC"})
    llm = (await _run("selector", data, tmp_path, behaviours.reply(alike)))["llm"]
    assert llm["tied"] == llm["read"] == llm["prompts"]
    assert llm["flipped"] == llm["decided_readings"] == 0
    assert llm["alike"] == llm["readings"] == 2 * llm["read"]
    assert llm["first_share"] is None


async def test_a_judge_that_cannot_be_read_is_said_to_be_so(data: Path, tmp_path: Path) -> None:
    llm = (await _run("selector", data, tmp_path, behaviours.reply("They are all very good.")))["llm"]
    assert llm["unread"] == {"DEGRADED_REASON_VERDICT_UNREADABLE": llm["prompts"]}
    assert llm["flipped_share"] is None
    # The prior ranks if the judge does not.
    assert llm["quality"]["llm"] == llm["quality"]["prior"]


@pytest.mark.parametrize("name", ["selector", "aggregator"])
async def test_a_real_model_is_not_asked_the_same_again(name: str, data: Path, tmp_path: Path) -> None:
    async with Upstream(behaviours.reply(FIRST)) as upstream:
        models = tmp_path / "pool.yaml"
        models.write_text(f"candidates: [{{name: helper, base_url: {upstream.base_url}, model: m}}]")
        settings = Settings(data, tmp_path / "report", name=name, folds=2, models=models, asked=2)
        await asyncio.to_thread(experiment, settings, Steps())
        asked, found = len(upstream.requests), (settings.out / "report.json").read_text()
        assert asked > 0
        await asyncio.to_thread(experiment, replace(settings, resume=True), Steps())
    assert len(upstream.requests) == asked
    assert (settings.out / "report.json").read_text() == found


async def test_a_third_answer_is_found_out(data: Path, tmp_path: Path) -> None:
    merges = (await _run("aggregator", data, tmp_path, behaviours.reply("It is Z, as such: the answer is (D).")))[
        "merges"
    ]
    (pairs,) = [each for each in merges if each["merged_by"] == "synthesize" and each["drafts"] == "two drafts"]
    assert pairs["third"] > 0
    assert pairs["right"] + pairs["wrong"] + pairs["third"] == pairs["conflicts"]


async def test_a_synthesis_without_an_answer_takes_no_side(data: Path, tmp_path: Path) -> None:
    merges = (await _run("aggregator", data, tmp_path, behaviours.reply("it depends.")))["merges"]
    (pairs,) = [each for each in merges if each["merged_by"] == "synthesize" and each["drafts"] == "two drafts"]
    assert pairs["no_answer"] == pairs["conflicts"] > 0
