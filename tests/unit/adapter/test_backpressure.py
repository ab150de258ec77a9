"""A reader who stops reading stops the reading of the provider's reply, and its time is not the provider's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.adapter.engine import Engine
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.circuit import State
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.held import Held, read_to_checkpoint
from tests.unit.adapter.test_going_on import asked

PIECE = "汉" * 1000
MOST_BYTES = 64 * 1024


class Provider:
    """Writes `pieces` deltas of 3,000 bytes, each a token, then waits until `go_on`; counts those that were taken."""

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.taken = 0
        self.go_on = asyncio.Event()

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        raise NotImplementedError

    async def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        for _ in range(self._pieces):
            self.taken += 1
            info.written = self.taken
            yield TextDelta(PIECE, "")
        await self.go_on.wait()
        info.finish_reason = FinishReason.FINISH_REASON_STOP
        yield TextDelta("end", "")

    async def aclose(self) -> None:
        pass


def engine(provider: Provider) -> Engine:
    limits = {"request_timeout_s": 60, "retries": 0}
    entry = CandidateEntry.model_validate(
        {"name": "fast", "base_url": "http://h/v1", "model": "tiny", "limits": limits, "circuit": {"failures": 1}}
    )
    return Engine(entry, provider, ProviderState.new(entry), NoOpTracer(), CallMetrics(NoOpMeter("test")))


async def rest() -> None:
    """Lets all tasks run until they wait."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of the event loop's timers."""
    loop = asyncio.get_running_loop()
    real, moved = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + moved[0])

    def move(seconds: float) -> None:
        moved[0] += seconds

    return move


async def test_held_text_has_a_bound() -> None:
    provider = Provider(1000)
    provider.go_on.set()
    events = engine(provider).stream(asked(None), Deadline.after(3600), 3)
    held = await read_to_checkpoint(events)
    for _ in range(5):
        await rest()
        in_all = len((held.output[0]).encode()) + MOST_BYTES
        assert in_all <= provider.taken * len(PIECE.encode()) < in_all + 2 * len(PIECE.encode())
        held.take(await anext(events))
    async for event in events:
        held.take(event)
    assert held.output[0] == PIECE * 1000 + "end"


async def test_the_time_of_a_slow_reader_is_not_the_provider_s(pass_time: Callable[[float], None]) -> None:
    provider = Provider(50)
    provider.go_on.set()
    events = engine(provider).stream(asked(None), Deadline.after(3600), 3)
    held = await read_to_checkpoint(events)
    await rest()
    pass_time(1000)
    await rest()
    async for event in events:
        held.take(event)
    assert held.output[0] == PIECE * 50 + "end"


async def test_the_time_after_the_wait_is_the_provider_s_again(pass_time: Callable[[float], None]) -> None:
    events = engine(Provider(50)).stream(asked(None), Deadline.after(3600), 3)
    held = await read_to_checkpoint(events)
    await rest()
    pass_time(1000)
    await rest()
    while held.output[0] != PIECE * 50:
        held.take(await anext(events))
    pass_time(50)
    await rest()
    pass_time(11)
    with pytest.raises(ServiceError) as caught:
        await anext(events)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_TIMEOUT


async def test_the_caller_s_deadline_bounds_the_wait(pass_time: Callable[[float], None]) -> None:
    made = engine(Provider(50))
    held, events = Held(), made.stream(asked(None), Deadline.after(600), 3)
    held.take(await anext(events))
    await rest()
    pass_time(601)
    await rest()
    reason = None
    try:
        async for event in events:
            held.take(event)
    except ServiceError as error:
        reason = error.reason
    assert reason == ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED
    assert held.output[0]
    assert made.running == 0


async def test_the_bound_is_the_same_without_a_checkpoint() -> None:
    provider = Provider(1000)
    provider.go_on.set()
    events = engine(provider).stream(asked(None), Deadline.after(3600))
    await anext(events)
    await rest()
    assert provider.taken < 50
    await events.aclose()


async def test_the_provider_s_silence_begins_anew_after_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    # As many as are taken before the reader is waited for: three before the checkpoint, then the bound.
    provider = Provider(3 + -(-MOST_BYTES // len(PIECE.encode())))
    made = engine(provider)
    events = made.stream(asked(None), Deadline.after(3600), 3)
    held = await read_to_checkpoint(events)
    await rest()
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 30)
    while len(held.output[0]) < provider.taken * len(PIECE):
        held.take(await anext(events))
    await rest()
    await events.aclose()
    assert made.provider_state.circuit.state is State.CLOSED
