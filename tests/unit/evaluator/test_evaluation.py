"""One evaluation: who is asked how much, within which bounds, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.evaluation import End
from lightrouter.evaluator.journal import JournalError
from lightrouter.evaluator.run import NothingToEvaluateError, Report, Settings, evaluate
from lightrouter.evaluator.validation import parse
from lightrouter.pool import statefile
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import State
from lightrouter.pool.statefile import LockedError
from lightrouter.pool.status import BY_HAND, CandidateStatus
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_REJECTED
from tests.unit.evaluator.fakes import NOW, OUTPUT_TOKENS, FakeModels, pool_text, prompts, settings
from tests.unit.evaluator.predictions import journal_scores, prompts_needed

QUALITY = {"good": 0.85, "fair": 0.8, "weak": 0.15}
ITEMS = prompts(300)


class Evaluations:
    """A pool file, and what its evaluations say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pool.yaml"
        self.path.write_text(pool_text(*QUALITY))
        self.states = statefile.state_path(self.path)
        self.home = FileStore(self.path, patience_seconds=0.0)
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = traces.get_tracer("test")
        self.announcer = Announcer(MeterProvider([self.metrics]).get_meter("test"))

    async def run(self, models: FakeModels, told: Settings) -> Report:
        return await evaluate(self.home, models, told, self.announcer, self.tracer)

    def held(self) -> dict[str, State | None]:
        return {name: status.state for name, status in statefile.load(self.states).items()}

    def counted(self) -> dict[tuple[str, str], int]:
        data = self.metrics.get_metrics_data()
        points = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == STATE_CHANGES.name
            for point in metric.data.data_points
        ]
        return {(p.attributes[names.CANDIDATE], p.attributes[names.STATE]): p.value for p in points}  # type: ignore[union-attr, index, misc]  # the SDK types neither


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
    assert (weak.model, weak.run, weak.reason, weak.since) == (
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
    assert event.attributes[names.MESSAGE] == weak.message
    assert pool.counted() == {("weak", "evicted"): 1}
    assert f"the state of weak is evicted now, and was admitted (CrediblyWorse): {weak.message}" in caplog.text


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
    pool: Evaluations, tmp_path: Path
) -> None:
    class Hanging(FakeModels):
        async def generate(self, *arguments: object) -> None:  # type: ignore[override]  # never answers
            await asyncio.Event().wait()

    report = await pool.run(Hanging(QUALITY), settings(tmp_path, ITEMS, limits=Limits(seconds=0.05)))
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
    statefile.save(pool.states, {"good": CandidateStatus().moved(State.EVICTED, BY_HAND, "it leaks", NOW)})
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
    # As it is where the process ended between the verdict and the journal's end.
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
    # All but weak, which is always worse, are as good as the reference: this judge then takes whoever is first.
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

    # Once the judge can be read, nothing but its acceptances is bought again.
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
    # The one who is first has won, as far as can be read.
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


async def test_who_is_right_stays_however_the_number_is_written(pool: Evaluations, tmp_path: Path) -> None:
    lines = [{"id": f"q{n}", "prompt": f"q{n}?", "task": "numeric", "answer": 1234567} for n in range(300)]
    items = parse("\n".join(map(json.dumps, lines)).encode())
    await pool.run(ManyWays({"good": 1.0, "fair": 1.0, "weak": 0.0}), settings(tmp_path, items))
    statuses = statefile.load(pool.states)
    assert pool.held() == {"good": State.ADMITTED, "fair": State.ADMITTED, "weak": State.EVICTED}
    assert [each.evaluation.score for each in statuses.values() if each.evaluation] == [1.0, 1.0, 0.0]
