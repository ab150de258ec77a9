"""How failed calls count: a candidate is judged on what a caller gets, and an outage says nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from lightrouter.evaluator.budget import Amount, Limits
from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.evaluation import End
from lightrouter.evaluator.journal import CallResult
from lightrouter.evaluator.scores import Scores
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.recording.prompts import Asked
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, Spent
from lightrouter.v1 import error_reason_pb2 as reasons
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, GenerationResult
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_CONTENT_FILTER,
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FINISH_REASON_UNKNOWN,
    FinishReason,
    Usage,
)
from tests.unit.evaluator.evaluation_support import Evaluations
from tests.unit.evaluator.fakes import OUTPUT_TOKENS, FakeModels, pool_text, prompts, settings

QUALITY = {"good": 0.95, "fair": 0.9, "flaky": 1.0}
ITEMS = prompts(200)
# The highest tokens of one call on a prompt of three bytes, such as q1?: 16 for its message, and the limit.
MOST = 3 + 16 + OUTPUT_TOKENS


@pytest.fixture
def pool(tmp_path: Path) -> Evaluations:
    found = Evaluations(tmp_path)
    found.path.write_text(pool_text(*QUALITY))
    return found


class Failing(FakeModels):
    """Models of which `flaky` fails if `fails` is true of the number of its call and the prompt."""

    def __init__(self, error: ServiceError, fails: Callable[[int, str], bool]) -> None:
        super().__init__(QUALITY)
        self.error = error
        self.fails = fails
        self.attempts = 0

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        text = generation.messages[-1].content
        if target.candidate == "flaky":
            self.attempts += 1
            if self.fails(self.attempts, text):
                self.calls[target.candidate, text] += 1
                raise self.error
        return await super().generate(target, generation, deadline)


def failure(code: Code, reason: reasons.ErrorReason.ValueType, retry_after: float | None = None) -> ServiceError:
    return ServiceError(code, reason, "the provider failed (HTTP 500): \x1b[31mboom.", retry_after=retry_after)


DOWN = failure(Code.UNAVAILABLE, reasons.ERROR_REASON_UPSTREAM_ERROR)
REFUSED = failure(Code.FAILED_PRECONDITION, reasons.ERROR_REASON_UPSTREAM_UNAUTHENTICATED)


def share(failing: float) -> Callable[[int, str], bool]:
    return lambda _, text: Random(f"fails {text}").random() < failing


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        REFUSED,
        failure(Code.DEADLINE_EXCEEDED, reasons.ERROR_REASON_UPSTREAM_TIMEOUT),
        failure(Code.UNAVAILABLE, reasons.ERROR_REASON_EMPTY_OUTPUT),
        failure(Code.UNAVAILABLE, reasons.ERROR_REASON_UPSTREAM_MALFORMED),
        failure(Code.RESOURCE_EXHAUSTED, reasons.ERROR_REASON_UPSTREAM_RATE_LIMITED),
        failure(Code.INVALID_ARGUMENT, reasons.ERROR_REASON_CONTEXT_WINDOW_EXCEEDED),
        failure(Code.INTERNAL, reasons.ERROR_REASON_INTERNAL),
    ],
)
async def test_a_candidate_that_fails_most_prompts_is_judged_on_that(
    pool: Evaluations, tmp_path: Path, error: ServiceError
) -> None:
    report = await pool.run(Failing(error, share(0.6)), settings(tmp_path, ITEMS, rules=Rules(floor=0.8)))
    found = statefile.load(pool.states)["flaky"]
    assert found.state is State.EVICTED
    assert found.evaluation
    assert 0.1 < found.evaluation.score < 0.7
    assert found.evaluation.failed == report.outcome.scores["flaky"].failed
    assert found.evaluation.failed == round(found.evaluation.prompts * (1 - found.evaluation.score))
    message = found.admitted.message
    assert "\x1b" not in message
    assert f"It failed to answer {found.evaluation.failed} of them, which score 0: the provider" in message
    said = json.loads(pool.states.read_text())["candidates"]
    assert said["flaky"]["failedPrompts"] == found.evaluation.failed
    assert said["good"]["failedPrompts"] == 0


async def test_a_candidate_that_refuses_every_prompt_scores_0(pool: Evaluations, tmp_path: Path) -> None:
    report = await pool.run(Failing(REFUSED, lambda *_: True), settings(tmp_path, ITEMS))
    assert report.outcome.scores["flaky"].tally.total == 0
    assert pool.held()["flaky"] is State.EVICTED


@pytest.mark.parametrize(
    ("finish", "failed"),
    [
        (FINISH_REASON_CONTENT_FILTER, True),
        # What a caller gets of these is scored.
        (FINISH_REASON_LENGTH, False),
        (FINISH_REASON_UNKNOWN, False),
        (FINISH_REASON_STOP, False),
    ],
)
async def test_a_text_that_a_filter_has_cut_is_a_failure(
    pool: Evaluations, tmp_path: Path, finish: FinishReason.ValueType, failed: bool
) -> None:
    class Filtering(FakeModels):
        async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
            response = await super().generate(target, generation, deadline)
            if target.candidate == "flaky":
                response.result.finish_reason = finish
            return response

    report = await pool.run(Filtering(QUALITY), settings(tmp_path, ITEMS[:40]))
    scores = report.outcome.scores["flaky"]
    assert (scores.failed == scores.tally.seen, scores.tally.mean) == ((True, 0.0) if failed else (False, 1.0))
    assert scores.failure == ("a filter withheld the text of flaky" if failed else "")


async def test_a_candidate_that_is_down_from_the_start_keeps_its_state(pool: Evaluations, tmp_path: Path) -> None:
    models = Failing(DOWN, lambda *_: True)
    report = await pool.run(models, settings(tmp_path, ITEMS))
    assert report.outcome.unreached == {"flaky"}
    assert report.outcome.scores["flaky"].tally.seen == 0
    assert Counter(name for name, _ in models.calls)["flaky"] == 8
    assert "flaky" not in pool.held()


async def test_a_candidate_that_answers_nothing_of_a_short_set_keeps_its_state(
    pool: Evaluations, tmp_path: Path
) -> None:
    report = await pool.run(Failing(DOWN, lambda *_: True), settings(tmp_path, prompts(5)))
    assert report.outcome.unreached == {"flaky"}
    assert report.outcome.scores["flaky"].tally.seen == 0
    assert "flaky" not in pool.held()


async def test_a_candidate_that_goes_down_midway_keeps_its_state(pool: Evaluations, tmp_path: Path) -> None:
    # It has answered fewer prompts than a decision takes.
    report = await pool.run(Failing(DOWN, lambda number, _: number > 3), settings(tmp_path, ITEMS))
    assert report.outcome.unreached == {"flaky"}
    assert report.outcome.scores["flaky"].tally.seen == 3
    assert "flaky" not in pool.held()


async def test_a_candidate_that_was_down_is_asked_again_after_a_pause(pool: Evaluations, tmp_path: Path) -> None:
    models = Failing(DOWN, lambda *_: True)
    told = settings(tmp_path, ITEMS, limits=Limits(tokens=3500))
    first = await pool.run(models, told)
    assert first.outcome.end is End.SPENT
    assert first.outcome.unreached == {"flaky"}
    models.fails = lambda *_: False
    second = await pool.run(models, settings(tmp_path, ITEMS, run="run-2"))
    assert second.resumed
    assert second.outcome.scores["flaky"].failed == 0
    assert second.outcome.scores["flaky"].tally.mean == 1.0


async def test_a_few_failures_at_the_end_of_the_set_count(pool: Evaluations, tmp_path: Path) -> None:
    items = prompts(12)
    report = await pool.run(Failing(DOWN, lambda number, _: number > 8), settings(tmp_path, items))
    assert report.outcome.scores["flaky"].tally == (12, 8.0)
    assert not report.outcome.unreached


@pytest.mark.parametrize(
    "error",
    [
        failure(Code.RESOURCE_EXHAUSTED, reasons.ERROR_REASON_UPSTREAM_RATE_LIMITED, 0.001),
        failure(Code.RESOURCE_EXHAUSTED, reasons.ERROR_REASON_OVERLOADED, 0.001),
        failure(Code.UNAVAILABLE, reasons.ERROR_REASON_CIRCUIT_OPEN, 0.001),
    ],
)
async def test_one_that_is_only_busy_is_asked_again_when_it_says(
    pool: Evaluations, tmp_path: Path, error: ServiceError
) -> None:
    models = Failing(error, lambda _, text: models.calls["flaky", text] < 2)
    report = await pool.run(models, settings(tmp_path, prompts(16)))
    assert report.outcome.scores["flaky"].failed == 0
    assert report.outcome.scores["flaky"].tally == (16, 16.0)


BROKEN = Spent(Usage(input_tokens=4, output_tokens=3), 10)


@pytest.mark.parametrize(
    ("spent", "attempts", "counted", "cost"),
    [
        # Nothing was sent, or the provider refused.
        (Spent.nothing(), 1, 1, 0),
        (Spent.nothing(), 3, 3, 0),
        # A broken stream: what came, and earlier attempts at their highest cost, if theirs is not known.
        (BROKEN, 1, 0, 7),
        (BROKEN, 2, 0, 7 + MOST),
        (BROKEN, 2, 1, 7 + MOST),
        (BROKEN, 2, 2, 7),
        (BROKEN, 3, 2, 7 + MOST),
        # Of three attempts, the cost of one is not known, or of two.
        (None, 3, 2, MOST),
        (None, 3, 1, 2 * MOST),
        # Nobody knows, as after a timeout: all attempts of its adapter may have been billed.
        (None, 1, 0, 3 * MOST),
        (None, 0, 0, 3 * MOST),
    ],
)
async def test_a_call_that_failed_counts_what_it_cost(
    pool: Evaluations, tmp_path: Path, spent: Spent | None, attempts: int, counted: int, cost: int
) -> None:
    pool.path.write_text(pool_text("flaky"))
    error = failure(Code.UNAVAILABLE, reasons.ERROR_REASON_UPSTREAM_UNAVAILABLE)
    error.spent, error.attempts, error.counted_attempts = spent, attempts, counted
    report = await pool.run(Failing(error, lambda *_: True), settings(tmp_path, prompts(5)))
    assert report.spent.tokens == 5 * cost
    assert bool(report.spent.nanousd) == bool(cost)


class Retried(FakeModels):
    """Models whose adapter makes several attempts a call."""

    def __init__(self, attempts: int, counted: int) -> None:
        super().__init__(QUALITY)
        self._made = GenerationResult(attempts=attempts, counted_attempts=counted)

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        response = await super().generate(target, generation, deadline)
        response.result.ClearField("attempts")
        response.result.MergeFrom(self._made)
        return response


@pytest.mark.parametrize(
    ("attempts", "counted", "earlier"),
    [(0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 1), (2, 2, 0), (3, 1, 2), (3, 2, 1), (3, 3, 0)],
)
async def test_an_attempt_before_an_answer_counts_what_it_may_have_cost(
    pool: Evaluations, tmp_path: Path, attempts: int, counted: int, earlier: int
) -> None:
    pool.path.write_text(pool_text("flaky"))
    plain = await pool.run(Retried(1, 1), settings(tmp_path, prompts(5)))
    report = await pool.run(Retried(attempts, counted), settings(tmp_path, prompts(5), run="run-2"))
    assert report.spent.tokens == plain.spent.tokens + 5 * earlier * MOST


ITEM = Asked("q", "", (), None, None, {})


def bad(*, passing: bool) -> CallResult:
    return CallResult(Amount(), 0.0, failure="why", passing=passing)


@pytest.mark.parametrize(("before", "most"), [(0, 8), (1, 16)])
def test_failures_in_a_row_are_an_outage_from_a_number_on(before: int, most: int) -> None:
    scores = Scores()
    for _ in range(before):
        scores.add(ITEM, CallResult(Amount(), 1.0), 1.0)
    for _ in range(most - 1):
        scores.add(ITEM, bad(passing=True), 0.0)
    down = [scores.down]
    assert scores.tally == Tally(before, before)
    scores.add(ITEM, bad(passing=True), 0.0)
    down.append(scores.down)
    assert down == [False, True]
    scores.settle()
    assert scores.tally == Tally(before, before)
    assert scores.asked == len(scores.by_prompt) + most


def test_failures_that_are_held_back_count_once_the_candidate_answers_or_refuses() -> None:
    for last, total in ((CallResult(Amount(), 1.0), 1.0), (bad(passing=False), 0.0)):
        scores = Scores()
        scores.add(ITEM, bad(passing=True), 0.0)
        scores.add(ITEM, bad(passing=True), 0.0)
        assert scores.tally.seen == 0
        scores.add(ITEM, last, last.score)
        assert scores.tally == (3, total)
        assert scores.failed == (2 if total else 3)
        assert not scores.held
