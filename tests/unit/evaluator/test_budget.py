"""What an evaluation may spend, and that it never spends more."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.evaluator import calls
from lightrouter.evaluator.budget import Amount, Budget, Limits, worst_case
from lightrouter.evaluator.calls import Call, CallRunner, Subject
from lightrouter.evaluator.journal import Journal
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, Spent
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.runtime.tokens import messages_tokens
from lightrouter.v1 import error_reason_pb2 as reasons
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, GenerationResult
from lightrouter.v1.candidate_pb2 import ModelTarget, Prices
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, Sampling, Usage
from tests.unit.evaluator.evaluation_support import Evaluations
from tests.unit.evaluator.fakes import PRICES, FakeModels, prompts
from tests.unit.evaluator.fakes import settings as told

PRICE = st.integers(0, 10**12)


@given(st.lists(st.text(max_size=50), max_size=4), st.integers(1, 1000), PRICE, PRICE, PRICE, st.integers(0, 100))
def test_the_worst_case_is_one(texts: list[str], output: int, price: int, cached: int, written: int, told: int) -> None:
    messages = [ChatMessage(role=ROLE_USER, content=text) for text in texts]
    prices = Prices(
        input_nanousd_per_million=price,
        cached_input_nanousd_per_million=cached,
        output_nanousd_per_million=written,
    )
    worst = worst_case(messages, output, prices, told)
    read = messages_tokens(messages) + told
    assert worst.tokens >= read + output
    for from_cache in (0, read):
        usage = Usage(input_tokens=read, cached_input_tokens=from_cache, output_tokens=output)
        assert worst.nanousd >= cost_nanousd(prices, usage)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1)), max_size=40), st.integers(0, 200))
def test_committed_money_stays_within_the_bound(calls: list[tuple[int, int, float]], limit: int) -> None:
    budget = Budget(Limits(nanousd=limit, tokens=limit))
    running: list[tuple[Amount, Amount]] = []
    for money, tokens, share in calls:
        worst = Amount(money, tokens)
        if budget.reserve(worst):
            running.append((worst, Amount(int(money * share), int(tokens * share))))
        elif running:
            budget.settle(*running.pop())
        assert max(budget.committed) <= limit
        assert min(budget.committed) >= 0
    for worst, spent in running:
        budget.settle(worst, spent)
    assert max(budget.committed) <= limit


@settings(max_examples=25)
@given(
    nanousd=st.none() | st.integers(0, 3000),
    tokens=st.none() | st.integers(0, 3000),
    concurrency=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_an_evaluation_keeps_within_any_bounds(
    nanousd: int | None, tokens: int | None, concurrency: int, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool = Evaluations(folder)
        models = FakeModels({"good": 0.9, "fair": 0.8, "weak": 0.1}, seed)
        limits = Limits(nanousd=nanousd, tokens=tokens, concurrency=concurrency)
        report = asyncio.run(pool.run(models, told(folder, prompts(40), seed=seed, limits=limits)))
    assert nanousd is None or models.spent_nanousd <= nanousd
    assert tokens is None or models.spent_tokens <= tokens
    assert models.most_running <= concurrency
    assert report.spent == (models.spent_nanousd, models.spent_tokens)


ATTEMPTS = 3
END = st.sampled_from(["answer", "busy", "busy", "busy", "down", "refused", "cancelled", "hangs"])
CODES = {
    "busy": (Code.RESOURCE_EXHAUSTED, reasons.ERROR_REASON_UPSTREAM_RATE_LIMITED, 0.0),
    "down": (Code.UNAVAILABLE, reasons.ERROR_REASON_UPSTREAM_ERROR, None),
    "refused": (Code.FAILED_PRECONDITION, reasons.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, None),
}


class Billing(FakeModels):
    """Calls with given results; each is billed for a number of attempts."""

    def __init__(self, ends: list[tuple[str, int]]) -> None:
        super().__init__({"a": 1.0})
        self._ends = iter(ends)
        self.hangs = asyncio.Event()

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        end, attempts = next(self._ends, ("answer", 1))
        attempts = max(attempts, 1) if end == "answer" else attempts
        read, written = len(generation.messages[0].content.encode()), generation.sampling.max_output_tokens
        used = Usage(input_tokens=read * attempts, output_tokens=written * attempts)
        cost = cost_nanousd(PRICES, used)
        self.spent_nanousd += cost
        self.spent_tokens += (read + written) * attempts
        if end == "answer":
            result = GenerationResult(usage=used, cost_nanousd=cost, attempts=attempts)
            return GenerateResponse(text="B", result=result)
        if end == "cancelled":
            raise asyncio.CancelledError
        if end == "hangs":
            self.hangs.set()
            await asyncio.Event().wait()
        code, reason, retry_after = CODES[end]
        spent = Spent(used, cost) if attempts else None
        raise ServiceError(code, reason, end, retry_after=retry_after, attempts=ATTEMPTS, spent=spent)


@settings(max_examples=60, deadline=None)
@given(
    ends=st.lists(st.tuples(END, st.integers(0, ATTEMPTS)), max_size=12),
    limit=st.integers(0, 400),
    count=st.integers(1, 4),
)
def test_billed_money_is_committed_however_calls_end(ends: list[tuple[str, int]], limit: int, count: int) -> None:
    models = Billing(ends)
    budget = Budget(Limits(tokens=limit))

    async def evaluate(journal: Journal) -> None:
        subject = Subject(ModelTarget(candidate="a"), PRICES, attempts=ATTEMPTS)
        asker = CallRunner(models, budget, journal, 2, 60.0)
        calls = [
            Call(
                f"answer/a/{number}",
                subject,
                [ChatMessage(role=ROLE_USER, content="q?")],
                Sampling(max_output_tokens=10),
                lambda _: 1.0,
            )
            for number in range(count)
        ]
        whole = asyncio.create_task(asker.run(calls))
        hanging = asyncio.create_task(models.hangs.wait())
        await asyncio.wait((whole, hanging), return_when=asyncio.FIRST_COMPLETED)
        for task in (whole, hanging):
            task.cancel()
        await asyncio.gather(whole, hanging, return_exceptions=True)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "_LEAST_WAIT_S", 0.0)
        path = Path(folder) / "journal"
        with closing(Journal(path, {}, {"answer/a": ""}, {})) as journal:
            asyncio.run(evaluate(journal))
        with closing(Journal(path, {}, {"answer/a": ""}, {})) as resumed:
            on_disk = resumed.spent
    for committed in (budget.committed, on_disk):
        assert committed.nanousd >= models.spent_nanousd
        assert committed.tokens >= models.spent_tokens
    assert models.spent_tokens <= limit


class FirstAnswers(FakeModels):
    """Models that answer one call and no other."""

    def __init__(self) -> None:
        super().__init__({"a": 1.0})
        self.begun: asyncio.Queue[Generation] = asyncio.Queue()

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        self.begun.put_nowait(generation)
        return await asyncio.Future() if self.calls else await super().generate(target, generation, deadline)


async def test_a_call_that_was_not_made_costs_nothing_after_the_evaluation_was_cancelled(tmp_path: Path) -> None:
    models, budget, path = FirstAnswers(), Budget(Limits()), tmp_path / "journal"
    messages = [ChatMessage(role=ROLE_USER, content="q?")]
    wanted = [
        Call(
            f"answer/a/{number}",
            Subject(ModelTarget(candidate="a"), PRICES),
            messages,
            Sampling(max_output_tokens=10),
            lambda _: 1.0,
        )
        for number in range(9)
    ]
    with closing(Journal(path, {}, {"answer/a": ""}, {})) as journal:
        running = asyncio.create_task(CallRunner(models, budget, journal, 4, 60.0).run(wanted))
        # The first call ends, so a fifth begins, and with its cost that of the next three is written down.
        for _ in range(5):
            await models.begun.get()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        (answered,) = journal.done.values()
    with closing(Journal(path, {}, {"answer/a": ""}, {})) as resumed:
        assert resumed.spent == budget.committed == answered.spent.plus(wanted[0].worst.times(4))
