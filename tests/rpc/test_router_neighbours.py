"""Adapters, selectors and aggregators of a newer version, or with a defect: their replies never fail a paid route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.message import Message

from lightrouter.v1.router_pb2 import Answer
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import prompt

NEWER = 99
INT64 = (-(2**63), -1, 2**63 - 1)
TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")

Change = tuple[str, object]
RESULT: Sequence[Change] = (
    ("finish_reason", NEWER),
    ("finish_reason", -1),
    ("attempts", -1),
    ("least_tokens", 2**31 - 1),
    *(("cost_nanousd", number) for number in INT64),
    *((f"usage.{count}", number) for count in TOKENS for number in INT64),
    *((f"elapsed.{part}", number) for part in ("seconds", "nanos") for number in (-1, 2**31 - 1)),
    ("elapsed.seconds", 2**63 - 1),
    ("model", "m" * 100_000),
)
LINE: Sequence[Change] = (
    ("stage", NEWER),
    ("cost_basis", NEWER),
    ("finish_reason", NEWER),
    ("failure.reason", NEWER),
    ("candidate", "nobody"),
    ("attempts", -1),
    ("elapsed.seconds", 2**63 - 1),
    *(("cost_nanousd", number) for number in INT64),
    *((f"usage.{count}", number) for count in TOKENS for number in INT64),
)
HELPERS: Sequence[Change] = (*((f"entries.{path}", value) for path, value in LINE), ("degraded.reason", NEWER))
SELECTION: Sequence[Change] = (
    ("strategy", NEWER),
    ("expected_quality", float("nan")),
    ("ranking.agreement", float("nan")),
    ("ranking.agreement", float("inf")),
)
MERGED: Sequence[Change] = (("strategy", NEWER), ("finish_reason", NEWER))


def changed(message: Message, path: str, value: object) -> None:
    """Sets the field of a message at this path."""
    *parents, name = path.split(".")
    there: Any = message
    for parent in parents:
        there = getattr(there, parent)
    setattr(there, name, value)


async def answered(suite: RouterSuite, *, streaming: bool) -> Answer:
    request = prompt(k=2)
    if not streaming:
        return (await suite.complete(request)).answer
    events = await suite.stream(request, partials=True)
    answer = events[-1].answer
    answer.text = "".join(event.chunk.text for event in events)
    return answer


def whole(answer: Answer) -> bool:
    counts = [getattr(answer.ledger.usage, count) for count in TOKENS]
    return bool(answer.text) and min(counts) >= 0 and answer.ledger.cost_nanousd >= 0


@pytest.mark.parametrize("hold", ["never", "always"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_adapters(monkeypatch: pytest.MonkeyPatch, hold: str, streaming: bool) -> None:
    async with RouterSuite(hold=hold) as suite:
        write: Callable[..., Any] = suite.models._write
        for path, value in RESULT:

            def written(generation: Message, path: str = path, value: object = value) -> Any:
                words, restarted, result = write(generation)
                changed(result, path, value)
                return words, restarted, result

            monkeypatch.setattr(suite.models, "_write", written)
            assert whole(await answered(suite, streaming=streaming)), (path, value)


@pytest.mark.parametrize("streaming", [False, True])
async def test_selectors(monkeypatch: pytest.MonkeyPatch, streaming: bool) -> None:
    async with RouterSuite() as suite:
        select = suite.selector.select
        for path, value in [
            *SELECTION,
            *((f"entries.{path}", value) for path, value in LINE),
            ("degraded.reason", NEWER),
        ]:

            async def selected(request: Any, deadline: Any, path: str = path, value: object = value) -> Message:
                response = await select(request, deadline)
                kind, _, rest = path.partition(".")
                if kind in {"entries", "degraded"}:
                    changed(getattr(response, kind).add(), rest, value)
                else:
                    changed(response, path, value)
                return response

            monkeypatch.setattr(suite.selector, "select", selected)
            assert whole(await answered(suite, streaming=streaming)), (path, value)


@pytest.mark.parametrize("streaming", [False, True])
async def test_aggregators(monkeypatch: pytest.MonkeyPatch, streaming: bool) -> None:
    async with RouterSuite() as suite:
        aggregate = suite.aggregator.aggregate
        for path, value in [*MERGED, *HELPERS]:

            async def merged(request: Any, deadline: Any, path: str = path, value: object = value) -> Any:
                async for response in aggregate(request, deadline):
                    if response.HasField("result"):
                        kind, _, rest = path.partition(".")
                        if kind in {"entries", "degraded"}:
                            changed(getattr(response.result, kind).add(), rest, value)
                        else:
                            changed(response.result, path, value)
                    yield response

            monkeypatch.setattr(suite.aggregator, "aggregate", merged)
            assert whole(await answered(suite, streaming=streaming)), (path, value)
