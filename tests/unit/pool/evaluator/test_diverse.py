"""What an evaluation says of the pool's diversity, and that a drifted candidate is judged anew."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.pool import statefile
from lightrouter.pool.evaluator.announce import Announcer
from lightrouter.pool.evaluator.homes import FileHome
from lightrouter.pool.evaluator.run import Report, evaluate
from lightrouter.pool.evaluator.states import Rules
from lightrouter.pool.schema import State
from lightrouter.pool.standing import Remark, Standing
from lightrouter.v1.adapter_pb2 import Generation
from tests.unit.pool.evaluator.fakes import NOW, FakeModels, pool_text, prompts, settings

QUALITY = {"a": 0.7, "b": 0.7, "c": 0.7}
ITEMS = prompts(900)


class Copies(FakeModels):
    """Models that are all the same one."""

    def answer(self, name: str, text: str, generation: Generation) -> str:
        return "B" if Random(text).random() < self.quality[name] else "C"


async def judged(folder: Path, models: FakeModels, rules: Rules) -> Report:
    path = folder / "pool.yaml"
    path.write_text(pool_text(*QUALITY))
    return await evaluate(
        FileHome(path), models, settings(folder, ITEMS, rules=rules), Announcer(NoOpMeter("test")), NoOpTracer()
    )


def asked(models: FakeModels) -> dict[str, int]:
    return dict(Counter(name for name, _ in models.calls))


async def test_a_pool_of_copies_is_found_out_where_it_is_asked_for(tmp_path: Path) -> None:
    models = Copies(QUALITY)
    report = await judged(tmp_path, models, Rules(until_diverse=True))
    assert "right and wrong together" in report.held.pool.homogeneous
    for standing in report.held.standings.values():
        assert standing.diverse
        assert (standing.diverse.holds, standing.diverse.reason) == (False, "Homogeneous")
    # No more prompts than it takes to be sure, and each of all candidates.
    assert len(set(asked(models).values())) == 1
    assert asked(models)["a"] < len(ITEMS.items)


async def test_diversity_takes_no_prompts_of_its_own_where_nobody_asks_for_it(tmp_path: Path) -> None:
    models, thorough = Copies(QUALITY), Copies(QUALITY)
    report = await judged(tmp_path, models, Rules())
    assert not report.held.pool.homogeneous
    (tmp_path / "again").mkdir()
    await judged(tmp_path / "again", thorough, Rules(until_diverse=True))
    assert asked(models)["a"] < asked(thorough)["a"]


async def test_a_diverse_pool_is_known_by_the_prompts_that_the_states_take(tmp_path: Path) -> None:
    models, thorough = FakeModels(QUALITY), FakeModels(QUALITY)
    report = await judged(tmp_path, models, Rules())
    assert not report.held.pool.homogeneous
    assert all(standing.diverse and standing.diverse.holds for standing in report.held.standings.values())
    (tmp_path / "again").mkdir()
    await judged(tmp_path / "again", thorough, Rules(until_diverse=True))
    assert asked(models) == asked(thorough)


async def test_a_drifted_candidate_is_judged_anew(tmp_path: Path) -> None:
    drifted = Remark(True, "OutOfItsHistory", "it fails", "2026-01-01T00:00:00Z")
    standing = Standing(State.ADMITTED, "Judged", "", "2026-01-01T00:00:00Z", "m-a", drifted=drifted)
    statefile.save(statefile.state_path(tmp_path / "pool.yaml"), {"a": standing, "b": replace(standing, model="m-b")})
    report = await judged(tmp_path, FakeModels(QUALITY), Rules())
    for name in "ab":
        found = report.held.standings[name].drifted
        assert found
        assert (found.holds, found.reason, found.since) == (False, "Evaluated", NOW.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert report.held.standings["c"].drifted is None
