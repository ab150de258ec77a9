"""What an evaluation says of the pool's diversity, and that a drifted candidate is judged anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.run import Report, evaluate
from lightrouter.lab.policies.simulation import scratch
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.status import DIVERSE, DRIFTED
from lightrouter.v1.adapter_pb2 import Generation
from tests.unit.evaluator.fakes import FakeModels, pool_text, prompts, settings
from tests.unit.pool.status_support import SINCE, condition, held

QUALITY = {"a": 0.8, "b": 0.8, "c": 0.8}
ITEMS = prompts(400)
RULES = Rules(margin=0.4, least_gain=0.05)
THOROUGH = replace(RULES, until_diverse=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory if possible, because a journal is written to disk before every call."""
    with scratch() as made:
        yield made


class Copies(FakeModels):
    """Models that are all the same one."""

    def answer(self, name: str, text: str, generation: Generation) -> str:
        return "B" if Random(text).random() < self.quality[name] else "C"


async def judged(folder: Path, models: FakeModels, rules: Rules) -> Report:
    path = folder / "pool.yaml"
    path.write_text(pool_text(*QUALITY))
    return await evaluate(
        FileStore(path), models, settings(folder, ITEMS, rules=rules), Announcer(NoOpMeter("test")), NoOpTracer()
    )


def asked(models: FakeModels) -> dict[str, int]:
    return dict(Counter(name for name, _ in models.calls))


async def test_a_pool_of_copies_is_found_out_where_it_is_asked_for(folder: Path) -> None:
    models = Copies(QUALITY)
    report = await judged(folder, models, THOROUGH)
    assert "make the same errors" in report.held.pool.homogeneous
    for status in report.held.statuses.values():
        diverse = status.condition(DIVERSE)
        assert diverse
        assert (diverse.status, diverse.reason) == ("False", "Homogeneous")
    # No more prompts than it takes to be sure, and each of all candidates.
    assert len(set(asked(models).values())) == 1
    assert asked(models)["a"] < len(ITEMS)


async def test_diversity_takes_no_prompts_of_its_own_where_nobody_asks_for_it(folder: Path) -> None:
    models, thorough = Copies(QUALITY), Copies(QUALITY)
    report = await judged(folder, models, RULES)
    assert not report.held.pool.homogeneous
    (folder / "again").mkdir()
    await judged(folder / "again", thorough, THOROUGH)
    assert asked(models)["a"] < asked(thorough)["a"]


async def test_a_diverse_pool_is_known_before_the_set_is_at_its_end(folder: Path) -> None:
    models = FakeModels(QUALITY)
    report = await judged(folder, models, THOROUGH)
    assert not report.held.pool.homogeneous
    assert all(status.holds(DIVERSE) for status in report.held.statuses.values())
    assert max(asked(models).values()) < len(ITEMS)


async def test_a_drifted_candidate_is_judged_anew(folder: Path) -> None:
    drifted = condition(DRIFTED, True, "OutOfItsHistory", "it fails", "2026-01-01T00:00:00Z")
    status = held(State.ADMITTED, "Judged", "", drifted, evaluated_model="m-a")
    statefile.amend(
        statefile.state_path(folder / "pool.yaml"), {"a": status, "b": status.having(evaluated_model="m-b")}
    )
    report = await judged(folder, FakeModels(QUALITY), RULES)
    for name in "ab":
        found = report.held.statuses[name].condition(DRIFTED)
        assert found
        assert (found.status, found.reason, found.last_transition_time) == ("False", "Evaluated", SINCE)
    assert report.held.statuses["c"].condition(DRIFTED) is None


async def test_a_short_budget_serves_those_first_who_have_drifted(folder: Path) -> None:
    path = folder / "pool.yaml"
    path.write_text(pool_text(*QUALITY))
    limits = Limits(tokens=200)
    for first in ("b", "c"):
        models, told = FakeModels(QUALITY), settings(folder, ITEMS, limits=limits, run=f"run-{first}")
        told = replace(told, first=frozenset({first}), journal=folder / first)
        await evaluate(FileStore(path), models, told, Announcer(NoOpMeter("test")), NoOpTracer())
        assert list(asked(models)) == [first]
