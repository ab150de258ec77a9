"""Every route writes one line to the log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.router.events import EventQueue, Events
from lightrouter.router.route import Router
from lightrouter.router.telemetry.requestlog import RequestLog
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from tests.unit.router.builders import failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.fakes import FakeModels, Model

NAMES = ("a", "b", "c")
SECRET = "a word of the prompt"


def known(models: Mapping[str, Model] | None = None) -> FakeModels:
    return FakeModels(snapshot(*map(pool_candidate, NAMES)), **{**{name: Model() for name in NAMES}, **(models or {})})


def routing(models: Mapping[str, Model] | None = None) -> Router:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    return router(known(models), tracer=tracer, observers=[RequestLog()])


def soon() -> Deadline:
    return Deadline.after(60)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def test_a_line_has_the_ledger_s_totals_and_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("router", ServiceSettings())
    answer = await routing().route(prompt(SECRET), soon(), EventQueue(wants_partials=False))
    (line,) = lines(capsys)
    ledger = answer.ledger
    assert (line["level"], line["outcome"], line["route_id"]) == ("INFO", "ok", answer.route_id)
    assert line["trace_id"]
    assert line["span_id"]
    assert (line["cost_nanousd"], line["calls"], line["failed_calls"]) == (ledger.cost_nanousd, len(ledger.entries), 0)
    assert line["input_tokens"] == ledger.usage.input_tokens
    assert line["output_tokens"] == ledger.usage.output_tokens
    assert (line["booted"], line["chosen"]) == (list(NAMES), list(answer.selection.chosen))
    assert (line["selector"], line["selection_reason"]) == ("consensus", "policy")
    assert "first_text_s" in line
    assert "error" not in line
    assert not any(word in json.dumps(line) for word in (SECRET, "three"))


async def test_the_line_and_the_span_name_the_caller_if_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("router", ServiceSettings())
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for caller in ("web", ""):
        made = router(known(), tracer=provider.get_tracer("test"), observers=[RequestLog()])
        await made.route(prompt(), soon(), Events(), caller)
    assert [line.get("caller") for line in lines(capsys)] == ["web", None]
    routes = [span.attributes or {} for span in exporter.get_finished_spans() if span.name == names.ROUTE]
    assert [attributes.get(names.CALLER) for attributes in routes] == ["web", None]


async def test_the_level_says_whether_somebody_has_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("router", ServiceSettings())
    await routing({"b": Model(fails={STAGE_BOOT: failure()})}).route(prompt(), soon(), Events())
    with pytest.raises(ServiceError):
        await routing({name: Model(fails={STAGE_BOOT: failure()}) for name in NAMES}).route(prompt(), soon(), Events())
    with pytest.raises(ServiceError):
        await routing().route(prompt(candidates=["nobody"]), soon(), Events())
    hanging = routing({name: Model(hangs={STAGE_BOOT}) for name in NAMES})
    task = asyncio.create_task(hanging.route(prompt(), soon(), Events()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    said = [(line["level"], line["outcome"], line.get("error"), line.get("degraded")) for line in lines(capsys)]
    assert said == [
        ("WARNING", "degraded", None, ["candidate_failed"]),
        ("ERROR", "failed", "ALL_CANDIDATES_FAILED", ["candidate_failed"]),
        ("INFO", "refused", "UNKNOWN_CANDIDATE", None),
        ("INFO", "cancelled", "CANCELLED", None),
    ]


async def test_people_read_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("router", ServiceSettings(log_format="console"))
    answer = await routing({"b": Model(fails={STAGE_BOOT: failure()})}).route(prompt(), soon(), Events())
    (line,) = capsys.readouterr().err.splitlines()
    assert "route degraded in " in line
    assert f"{answer.ledger.cost_nanousd} nano-dollars, degraded: candidate_failed" in line
    assert "[trace " in line


async def test_the_log_writes_nothing_below_the_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("router", ServiceSettings())
    logging.getLogger().setLevel(logging.WARNING)
    await routing().route(prompt(), soon(), Events())
    assert lines(capsys) == []
