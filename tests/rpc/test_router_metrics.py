"""Time series are those of the pool and of the protos; callers and their prompts never add one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from lightrouter.router.ledger import RouteLedger
from lightrouter.router.telemetry import instruments as i
from lightrouter.router.telemetry.metrics import RouteMetrics
from lightrouter.router.telemetry.observers import RouteRecord
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.telemetry.instruments import RPC_ERRORS
from lightrouter.runtime.telemetry.metrics import Metrics
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, LedgerEntry
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_PRIOR
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt, Selection, SelectionReason
from tests.measured import series, values
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import pool_candidate, prompt, snapshot

NAMES = ("a", "b", "c")
REASONS = SelectionReason.values()


def requests(count: int) -> Iterator[RouteRecord]:
    """Returns records of routes that no two callers, prompts or answers share."""
    for number in range(count):
        name = NAMES[number % 3]
        ledger = RouteLedger()
        entry = LedgerEntry(
            stage=STAGE_BOOT,
            candidate=name if number % 5 else f"model of caller {number}",
            model=f"provider's name {number}",
            usage=Usage(input_tokens=number, output_tokens=number % 1000),
            cost_nanousd=number,
        )
        if number % 7 == 0:
            entry.failure.reason = ErrorReason.ERROR_REASON_UPSTREAM_ERROR
            entry.failure.message = f"the provider said {number}"
        ledger.entries.append(entry)
        record = RouteRecord(ledger)
        if number % 11:
            chosen = Selection(chosen=[name], strategy=SELECTOR_STRATEGY_PRIOR, reason=REASONS[number % len(REASONS)])
            record.selection = chosen
            strategy = AGGREGATOR_STRATEGY_BEST if number % 2 else AGGREGATOR_STRATEGY_SYNTHESIZE
            record.answer = Answer(text=f"answer {number}", route_id=f"{number:032x}", aggregator=strategy)
        yield record


def test_many_requests_add_no_series_to_those_of_a_thousand() -> None:
    reader = InMemoryMetricReader()
    known = snapshot(*map(pool_candidate, NAMES)).candidates
    routes = RouteMetrics(Metrics(Resource.create({}), reader).meter("1"), lambda: known)
    records = requests(20_000)
    for record in islice(records, 1000):
        routes.started()
        routes.ended(record)
    after_a_thousand = series(reader)
    for record in records:
        routes.started()
        routes.ended(record)
    assert series(reader) == after_a_thousand
    assert sum(values(reader, i.REQUESTS).values()) == 20_000
    assert len(after_a_thousand) < 200


async def test_hundreds_of_callers_of_a_real_router_add_no_series() -> None:
    reader = InMemoryMetricReader()
    async with RouterSuite(reader=reader) as suite:

        async def ask(number: int) -> None:
            caller = (("user-agent-of", f"caller {number}"), ("traceparent", f"00-{number + 1:032x}-{1:016x}-01"))
            asked = prompt(f"What is {number}?", category=f"kind {number}")
            await suite.stub.Complete(CompleteRequest(prompt=asked), metadata=caller)
            with pytest.raises(ServiceError):
                await suite.complete(prompt(candidates=[f"nobody {number}"]))

        await ask(0)
        after_one = series(reader)
        for begin in range(1, 301, 20):
            await asyncio.gather(*map(ask, range(begin, begin + 20)))
        assert series(reader) == after_one
        assert values(reader, i.REQUESTS) == {("ok", ""): 301, ("refused", "UNKNOWN_CANDIDATE"): 301}


async def test_calls_that_never_become_a_route_are_counted_by_reason(tmp_path: Path) -> None:
    reader = InMemoryMetricReader()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"caller: {hashlib.sha256(b'secret').hexdigest()}\n")
    async with RouterSuite(reader=reader, tokens_file=tokens) as suite:
        authorized = (("authorization", "Bearer secret"),)
        for metadata, request in (((), prompt()), (authorized, Prompt()), (authorized, Prompt())):
            with pytest.raises(grpc.aio.AioRpcError):
                await suite.stub.Complete(CompleteRequest(prompt=request), metadata=metadata)
    assert values(reader, RPC_ERRORS) == {("UNAUTHENTICATED",): 1, ("INVALID_REQUEST",): 2}
    assert values(reader, i.REQUESTS) == {}
