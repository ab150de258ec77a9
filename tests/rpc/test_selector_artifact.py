"""The learned selector over a real channel: its artifact is replaced while it serves."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lightrouter.learned.artifact import GENERAL, MANIFEST
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.selector.artifacts import ArtifactFolder
from lightrouter.selector.assemble import assemble
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, FinishReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_LEARNED
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistCandidate, ShortlistRequest
from lightrouter.v1.selector_pb2_grpc import SelectorServiceStub

if TYPE_CHECKING:
    from lightrouter.v1.selector_pb2_grpc import SelectorServiceAsyncStub

MESSAGES = [ChatMessage(role=ROLE_USER, content="What is 2 + 2?\nA. 3\nB. 4\n")]
LENGTH = FinishReason.FINISH_REASON_LENGTH


@pytest.fixture
async def selector(tmp_path: Path) -> AsyncIterator[SelectorServiceAsyncStub]:
    channels = Channels()
    address = f"unix:{tmp_path}/selector.sock"
    artifacts = ArtifactFolder(tmp_path / "artifact")
    watch = asyncio.create_task(artifacts.watch())
    async with assemble(SelectorSettings(listen=address), channels, Telemetry("selector", None), artifacts.model):
        yield SelectorServiceStub(channels.get(address))
        await channels.close()
    watch.cancel()
    await asyncio.wait([watch])


def request() -> SelectRequest:
    partials = [
        Partial(candidate="a", text="We refer to", prior=0.9, finish_reason=LENGTH, model="mathstral-7b"),
        Partial(candidate="b", text="We refer to", prior=0.1, finish_reason=LENGTH, model="gemini-1.5-flash-002"),
    ]
    return SelectRequest(messages=MESSAGES, partials=partials, strategy=SELECTOR_STRATEGY_LEARNED)


async def until(selector: SelectorServiceAsyncStub, strategy: int) -> SelectResponse:
    while True:
        response = await selector.Select(request())
        if response.strategy == strategy:
            return response


async def test_an_artifact_that_comes_is_used_and_a_broken_one_does_no_harm(
    selector: SelectorServiceAsyncStub, tmp_path: Path
) -> None:
    response = await selector.Select(request())
    assert response.strategy == SELECTOR_STRATEGY_CONSENSUS
    assert [one.reason for one in response.degraded] == [DegradedReason.DEGRADED_REASON_ARTIFACT_MISSING]
    candidates = [ShortlistCandidate(candidate=each.candidate, model=each.model) for each in request().partials]
    asked = ShortlistRequest(messages=MESSAGES, candidates=candidates)
    assert [one.candidate for one in (await selector.Shortlist(asked)).candidates] == ["a", "b"]

    shutil.copytree(GENERAL, tmp_path / "artifact")
    async with asyncio.timeout(60):
        response = await until(selector, SELECTOR_STRATEGY_LEARNED)
    assert [one.candidate for one in response.ranking.candidates] == ["b", "a"]
    assert not response.degraded
    assert [one.candidate for one in (await selector.Shortlist(asked)).candidates] == ["b", "a"]

    (tmp_path / "artifact" / MANIFEST).write_text("{")
    assert (await selector.Select(request())) == response
