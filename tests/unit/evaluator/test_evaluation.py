"""One evaluation: the candidates that it asks, its bounds, and its outcome."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
from collections import Counter
from pathlib import Path

import pytest

from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.evaluation import End
from lightrouter.evaluator.journal import JournalError
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.pool.statefile import LockedError
from lightrouter.pool.status import BY_HAND, CandidateStatus
from lightrouter.runtime.telemetry import names
from lightrouter.v1.adapter_pb2 import Generation
from tests.clock import Clock
from tests.unit.evaluator.evaluation_support import ITEMS, QUALITY, Evaluations
from tests.unit.evaluator.fakes import NOW, OUTPUT_TOKENS, FakeModels, parse, prompts, settings
from tests.unit.evaluator.predictions import prompts_needed


@pytest.fixture
def pool(tmp_path: Path) -> Evaluations:
    return Evaluations(tmp_path)


async def test_who_is_credibly_worse_is_evicted_and_it_is_said_everywhere(
    pool: Evaluations, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = await pool.run(FakeModels(QUALITY), settings(tmp_path, ITEMS))
    assert report.outcome.end is End.DECIDED
    assert pool.held() == {"good": State.ADMITTED, "fair": State.ADMITTED, "weak": State.EVICTED}
    weak = statefile.load(pool.states)["weak"]
    assert weak.evaluation
    assert weak.evaluation.score_low < weak.evaluation.score < weak.evaluation.score_high < 0.5
    assert {each.category for each in weak.evaluation.categories} == {"law", "art"}
    assert sum(each.prompts for each in weak.evaluation.categories) == weak.evaluation.prompts
    assert (
        weak.evaluated_model,
        weak.evaluation_run,
        weak.admitted.reason,
        weak.admitted.last_transition_time,
    ) == (
        "m-weak",
        "run-1",
        "CrediblyWorse",
        "2026-03-01T00:00:00Z",
    )
    assert [(c.candidate, c.before, c.after.state) for c in report.changes] == [("weak", State.ADMITTED, State.EVICTED)]
    (span,) = pool.spans.get_finished_spans()
    assert span.name == names.EVALUATE
    (event,) = span.events
    assert event.name == names.CANDIDATE_STATE
    assert event.attributes
    assert event.attributes[names.MESSAGE] == weak.admitted.message
    assert pool.counted() == {("weak", "evicted"): 1}
    assert f"the state of weak is evicted now, and was admitted (CrediblyWorse): {weak.admitted.message}" in caplog.text


async def test_easy_decisions_stop_early_about_when_the_bounds_say(pool: Evaluations, tmp_path: Path) -> None:
    models = FakeModels(QUALITY)
    await pool.run(models, settings(tmp_path, ITEMS, rules=Rules(floor=0.5)))
    asked = Counter(name for name, _ in models.calls)
    for name, quality in QUALITY.items():
        predicted = prompts_needed(quality, abs(quality - 0.5), 0.05 / 3)
        assert asked[name] <= 2 * predicted + 16
        assert asked[name] < 300
    assert set(models.calls.values()) == {1}


async def test_a_candidate_earns_its_way_back(pool: Evaluations, tmp_path: Path) -> None:
    models = FakeModels(QUALITY)
    await pool.run(models, settings(tmp_path, ITEMS, run="run-1"))
    models.quality["weak"] = 0.8
    await pool.run(models, settings(tmp_path, ITEMS, run="run-2", seed=2))
    assert pool.held()["weak"] is State.ADMITTED
    assert pool.counted() == {("weak", "evicted"): 1, ("weak", "admitted"): 1}


async def test_the_same_seed_has_the_same_outcome_in_whatever_order_calls_end(tmp_path: Path) -> None:
    found = []
    for number, concurrency in enumerate((1, 5, 64)):
        folder = tmp_path / str(number)
        folder.mkdir()
        pool = Evaluations(folder)
        models = FakeModels(QUALITY)
        await pool.run(models, settings(folder, ITEMS, limits=Limits(concurrency=concurrency)))
        assert models.most_running <= concurrency
        found.append((pool.states.read_text(), models.calls))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "limits", [Limits(nanousd=900), Limits(nanousd=10**6, tokens=500), Limits(nanousd=0), Limits(tokens=17)]
)
async def test_the_budget_is_never_passed(pool: Evaluations, tmp_path: Path, limits: Limits) -> None:
    models = FakeModels(QUALITY)
    report = await pool.run(models, settings(tmp_path, ITEMS, limits=limits))
    assert report.outcome.end is End.SPENT
    assert models.spent_nanousd <= (limits.nanousd or 0) or limits.nanousd is None
    assert models.spent_tokens <= (10**9 if limits.tokens is None else limits.tokens)
    assert (models.spent_nanousd, models.spent_tokens) == report.spent
    assert report.changes == []


async def test_no_call_is_made_once_the_time_is_over(pool: Evaluations, tmp_path: Path) -> None:
    models = FakeModels(QUALITY)
    report = await pool.run(models, settings(tmp_path, ITEMS, limits=Limits(seconds=1e-9)))
    assert report.outcome.end is End.SPENT
    assert not models.calls
    assert not pool.held()


async def test_a_call_that_outlasts_the_time_is_cut_and_says_nothing_of_the_candidate(
    pool: Evaluations, tmp_path: Path, clock: Clock
) -> None:
    asked = asyncio.Event()

    class Hanging(FakeModels):
        async def generate(self, *arguments: object) -> None:  # type: ignore[override]  # never answers
            asked.set()
            await asyncio.Event().wait()

    running = pool.run(Hanging(QUALITY), settings(tmp_path, ITEMS, limits=Limits(seconds=600)))
    report = await clock.pass_after(asked.wait(), 600, running)
    assert report.outcome.end is End.SPENT
    assert not report.outcome.unreached
    assert report.spent.tokens > 0


async def test_a_candidate_that_is_down_is_not_judged(pool: Evaluations, tmp_path: Path) -> None:
    models = FakeModels(QUALITY)
    models.down = {"good"}
    report = await pool.run(models, settings(tmp_path, ITEMS))
    assert report.outcome.unreached == {"good"}
    assert "good" not in pool.held()
    assert Counter(name for name, _ in models.calls)["good"] == 8
    models.down = set(QUALITY)
    assert (await pool.run(models, settings(tmp_path, ITEMS, run="run-2"))).outcome.end is End.UNREACHED


async def test_an_eviction_by_hand_stays(pool: Evaluations, tmp_path: Path) -> None:
    statefile.amend(pool.states, {"good": CandidateStatus().moved(State.EVICTED, BY_HAND, "it leaks", NOW)})
    models = FakeModels(QUALITY)
    await pool.run(models, settings(tmp_path, ITEMS))
    assert not [name for name, _ in models.calls if name == "good"]
    assert pool.held()["good"] is State.EVICTED


async def test_an_alarm_where_the_pool_would_be_too_small(
    pool: Evaluations, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await pool.run(FakeModels(QUALITY), settings(tmp_path, ITEMS, rules=Rules(floor=0.5, minimum=3)))
    assert pool.held()["weak"] is State.ADMITTED
    assert "weak is kept for want of others (MinimumPool)" in caplog.text
    assert names.POOL_TOO_SMALL in [event.name for event in pool.spans.get_finished_spans()[0].events]


async def test_one_cut_short_does_not_replace_one_that_knows_more(pool: Evaluations, tmp_path: Path) -> None:
    await pool.run(FakeModels(QUALITY), settings(tmp_path, ITEMS))
    before = pool.states.read_text()
    await pool.run(FakeModels(QUALITY), settings(tmp_path, ITEMS, run="run-2", limits=Limits(tokens=400)))
    assert pool.states.read_text() == before


async def test_a_second_evaluation_at_the_same_time_is_kept_out(pool: Evaluations, tmp_path: Path) -> None:
    told = settings(tmp_path, ITEMS)
    refused = []

    async def second() -> None:
        with pytest.raises(LockedError, match="an evaluation") as raised:
            await pool.run(FakeModels(QUALITY), told)
        refused.append(str(raised.value))

    models = FakeModels(QUALITY)
    tasks: list[asyncio.Task[None]] = []
    models.before = lambda number: tasks.append(asyncio.create_task(second())) if number == 1 else None
    await pool.run(models, told)
    await asyncio.gather(*tasks)
    assert len(refused) == 1
    assert set(models.calls.values()) == {1}


class Killed(BaseException):
    """The end of the process, as far as the code under test can tell."""


@pytest.mark.parametrize("at", [1, 2, 30, 60])
async def test_one_that_ends_midway_goes_on_and_comes_to_the_same(
    tmp_path: Path, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    whole_folder, folder = tmp_path / "whole", tmp_path / "cut"
    whole_folder.mkdir()
    folder.mkdir()
    whole, pool = Evaluations(whole_folder), Evaluations(folder)
    expected = await whole.run(FakeModels(QUALITY), settings(whole_folder, ITEMS))

    def kill(number: int) -> None:
        if number == at:
            raise Killed

    models = FakeModels(QUALITY)
    models.before = kill
    told = settings(folder, ITEMS, limits=Limits(concurrency=1))
    with pytest.raises(BaseExceptionGroup):
        await pool.run(models, told)
    assert not pool.held()
    with told.journal.open("ab") as torn:
        torn.write(b'{"done":"answer/good/q1","sco')

    models.before = lambda _: None
    report = await pool.run(models, settings(folder, ITEMS, run="other", limits=Limits(concurrency=1)))
    assert report.resumed
    assert "evaluation run-1 with seed 1 goes on" in caplog.text
    assert pool.states.read_text() == whole.states.read_text()
    # What was under way is asked again, and paid for twice; everything else was asked once. All counts once.
    lines = [json.loads(line) for line in told.journal.read_text().splitlines() if line.startswith('{"reserve"')]
    reserved = Counter(line["reserve"] for line in lines)
    worst = {line["reserve"]: line["tokens"] for line in lines}
    again = [key for key, count in reserved.items() if count == 2]
    assert 1 <= len(again) <= 2
    assert sum(models.calls.values()) - len(models.calls) == len(again)
    assert report.spent.tokens == expected.spent.tokens + sum(worst[key] for key in again)


async def test_no_call_is_made_that_cannot_be_written_down(pool: Evaluations, tmp_path: Path) -> None:
    told = settings(tmp_path, ITEMS, limits=Limits(concurrency=1))
    models = FakeModels(QUALITY)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(number: int) -> None:
        if number == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (told.journal.stat().st_size + 5, hard))

    models.before = fill
    try:
        with pytest.raises(JournalError, match="cannot be written"):
            await pool.run(models, told)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sum(models.calls.values()) == 5
    models.before = lambda _: None
    report = await pool.run(models, told)
    assert report.resumed
    assert pool.held()["weak"] is State.EVICTED


async def test_what_was_found_is_held_once_though_the_end_is_reached_twice(pool: Evaluations, tmp_path: Path) -> None:
    told = settings(tmp_path, ITEMS)
    models = FakeModels(QUALITY)
    await pool.run(models, told)
    held, calls = pool.states.read_text(), sum(models.calls.values())
    # As if the process had ended between the status and the journal's end.
    lines = told.journal.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1]) == {"end": True}
    told.journal.write_text("".join(lines[:-1]))
    report = await pool.run(models, told)
    assert report.changes == []
    assert pool.states.read_text() == held
    assert sum(models.calls.values()) == calls
    assert pool.counted() == {("weak", "evicted"): 1}


async def test_another_set_begins_anew(pool: Evaluations, tmp_path: Path) -> None:
    models = FakeModels(QUALITY)
    await pool.run(models, settings(tmp_path, ITEMS, limits=Limits(tokens=100)))
    lines = (tmp_path / "pool.evaluation.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "pool.evaluation.jsonl").write_text("".join(lines[:-1]))
    report = await pool.run(models, settings(tmp_path, prompts(299), run="run-2"))
    assert (report.resumed, report.run) == (False, "run-2")


async def test_a_prompt_that_says_how_long_its_answer_may_be_gets_so_much(pool: Evaluations, tmp_path: Path) -> None:
    asked: dict[str, set[int]] = {}

    class Told(FakeModels):
        def answer(self, name: str, text: str, generation: Generation) -> str:
            asked.setdefault(text, set()).add(generation.sampling.max_output_tokens)
            return "B"

    question: dict[str, object] = {"task": "choice", "answer": "B"}
    lines = [question | {"id": f"q{n}", "prompt": f"q{n}?"} for n in range(3)]
    lines.append(question | {"id": "short", "prompt": "short?", "max_output_tokens": 3})
    await pool.run(Told(QUALITY), settings(tmp_path, parse("\n".join(map(json.dumps, lines)).encode())))
    assert asked.pop("short?") == {3}
    assert asked == {f"q{n}?": {OUTPUT_TOKENS} for n in range(3)}
