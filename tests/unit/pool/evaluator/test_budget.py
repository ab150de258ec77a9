"""What an evaluation may spend, and that it never spends more."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.pool.evaluator.budget import Amount, Budget, Limits, worst_case
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.runtime.tokens import messages_tokens
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, Usage
from tests.unit.pool.evaluator.fakes import FakeModels, prompts
from tests.unit.pool.evaluator.fakes import settings as told
from tests.unit.pool.evaluator.test_evaluation import Evaluations

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
def test_what_is_committed_is_never_more_than_the_bound(calls: list[tuple[int, int, float]], limit: int) -> None:
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
