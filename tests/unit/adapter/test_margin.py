"""A call ends a moment before its caller's deadline, so that the caller gets the error and not only its own timeout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest

from lightrouter.adapter.assemble import build_engine
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_TIMEOUT

ENTRY = {"name": "slow", "base_url": "http://127.0.0.1:9/v1", "model": "slow", "limits": {"request_timeout_s": 3600}}
ASKED = Generation(messages=[ChatMessage(role=ROLE_USER, content="Why?")])


class Silent:
    """A provider that never says anything."""

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        await asyncio.Event().wait()
        raise AssertionError("nothing is ever said")

    async def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        yield await self.generate(request, info)

    async def aclose(self) -> None:
        """Has nothing to close."""


@pytest.mark.parametrize("streamed", [False, True], ids=["generate", "stream"])
@pytest.mark.parametrize(("seconds", "margin"), [(0.5, 0.05), (1, 0.1), (2, 0.2), (10, 0.2), (600, 0.2)])
async def test_a_call_ends_before_its_caller_stops_waiting(
    seconds: float, margin: float, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    engine = build_engine(CandidateEntry.model_validate(ENTRY), Silent())
    deadline = Deadline(begin + seconds)

    async def call() -> None:
        if not streamed:
            await engine.generate(ASKED, deadline)
        async for _ in engine.stream(ASKED, deadline):
            pass

    running = asyncio.ensure_future(call())
    for part, ended in ((0.0, False), (seconds - 1.01 * margin, False), (seconds - 0.99 * margin, True)):
        now = begin + part
        for _ in range(100):
            await asyncio.sleep(0)
        assert running.done() == ended
    with pytest.raises(ServiceError) as caught:
        await running
    assert caught.value.reason == ERROR_REASON_UPSTREAM_TIMEOUT
