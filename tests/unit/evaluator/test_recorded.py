"""Files and a resource that an earlier release wrote are still read, and a paused evaluation buys nothing twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.run import evaluate
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.resource import Resources
from tests.unit.evaluator.fakes import FakeModels, prompts, settings

RECORDED = Path(__file__).parent / "recorded"
QUALITY = {"good": 0.85, "fair": 0.8, "weak": 0.15}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED, tmp_path / "pool"))


async def test_an_old_state_file_says_what_it_said(folder: Path) -> None:
    held = await FileStore(folder / "pool.yaml").read()
    assert {name: entry.state for name, entry in held.pool.entries.items()} == {
        "good": State.ADMITTED,
        "fair": State.EVICTED,
        "weak": State.EVICTED,
    }
    assert [name for name in held.pool.entries if held.status(name).held_out] == ["fair"]
    written = json.loads((folder / "pool.state.json").read_text())["candidates"]
    assert {name: status.to_json() for name, status in held.statuses.items()} == written


def test_an_old_resource_says_what_it_said() -> None:
    resource = json.loads((RECORDED / "candidate.json").read_text())
    pool, acceptances = Resources().listed([resource]).pool()
    assert acceptances["weak"].ready
    entry, evaluation = pool.entries["weak"], pool.evaluations["weak"]
    assert (entry.state, entry.prices.cached_input, entry.version) == (
        State.EVICTED,
        1_000_000,
        "818b45625429d15d",
    )
    assert (evaluation.prompts, round(evaluation.score, 3), len(evaluation.categories)) == (64, 0.125, 2)


async def test_a_paused_evaluation_of_an_old_release_goes_on(folder: Path) -> None:
    (folder / "pool.state.json").unlink()
    models = FakeModels(QUALITY)
    told = settings(folder, prompts(200), run="run-2", seed=2)
    report = await evaluate(FileStore(folder / "pool.yaml"), models, told, Announcer(NoOpMeter("")), NoOpTracer())
    lines = [json.loads(line) for line in (RECORDED / "pool.evaluation.jsonl").read_text().splitlines()]
    bought = {tuple(line["done"].split("/")[1:]) for line in lines if "done" in line}
    assert report.resumed
    assert bought
    assert not bought & {(name, text.rstrip("?")) for name, text in models.calls}
    assert report.outcome.scores["weak"].tally.seen > len(bought)
