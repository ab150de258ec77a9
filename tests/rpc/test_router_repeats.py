"""A request that comes again gets its answer again; the pool comes in pages, without addresses."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from lightrouter.router.events import Events
from lightrouter.router.repeats import RepeatedRequests
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from lightrouter.v1.router_pb2 import CompleteRequest, ListCandidatesRequest, StreamCompleteRequest
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import pool_candidate, prompt, router, snapshot
from tests.unit.router.fakes import FakeModels, Model


@pytest.fixture
async def suite() -> AsyncIterator[RouterSuite]:
    async with RouterSuite() as running:
        yield running


async def test_a_repeated_request_pays_nothing_twice(suite: RouterSuite) -> None:
    request = CompleteRequest(prompt=prompt(), request_id="1")
    first = (await suite.stub.Complete(request)).answer
    calls = len(suite.models.calls)
    again = (await suite.stub.Complete(request)).answer
    assert len(suite.models.calls) == calls
    assert again.replayed
    assert not first.replayed
    again.ClearField("replayed")
    assert again == first
    streamed = StreamCompleteRequest(prompt=prompt(), request_id="1")
    events = [event async for event in suite.stub.StreamComplete(streamed)]
    assert [event.WhichOneof("event") for event in events] == ["started", "chunk", "answer"]
    assert events[0].started.route_id == first.route_id
    assert events[1].chunk.text == first.text
    assert events[2].answer.replayed
    assert len(suite.models.calls) == calls


@pytest.mark.parametrize("changed", ["", "2", "prompt"])
async def test_another_request_is_answered_anew(suite: RouterSuite, changed: str) -> None:
    request = CompleteRequest(prompt=prompt(), request_id="1" if changed else "")
    first = (await suite.stub.Complete(request)).answer
    if changed == "prompt":
        request.prompt.messages[0].content += " And why?"
    else:
        request.request_id = changed
    second = (await suite.stub.Complete(request)).answer
    assert second.route_id != first.route_id
    assert not second.replayed


async def test_a_request_that_comes_while_it_runs_waits_for_the_one_answer(suite: RouterSuite) -> None:
    request = CompleteRequest(prompt=prompt(), request_id="1")
    answers = [each.answer for each in await asyncio.gather(*(suite.stub.Complete(request) for _ in range(3)))]
    assert sorted(answer.replayed for answer in answers) == [False, True, True]
    assert len({answer.route_id for answer in answers}) == 1


async def test_a_request_takes_over_from_one_that_its_caller_left(suite: RouterSuite) -> None:
    models = suite.models.models.values()
    for model in models:
        model.hangs.add(STAGE_BOOT)
    left = suite.stub.Complete(CompleteRequest(prompt=prompt(), request_id="1"))
    await suite.models.hung(3)
    for model in models:
        model.hangs.clear()
    again = asyncio.ensure_future(suite.stub.Complete(CompleteRequest(prompt=prompt(), request_id="1")))
    left.cancel()
    assert not (await again).answer.replayed


async def test_a_request_waits_for_the_running_one_no_longer_than_its_deadline() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(hangs={STAGE_BOOT}))
    requests = RepeatedRequests(router(models))
    running = asyncio.ensure_future(requests.route("1", prompt(), Deadline.after(600), Events()))
    await models.hung(1)
    with pytest.raises(ServiceError, match="still running") as caught:
        await requests.route("1", prompt(), Deadline.after(0), Events())
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_another_caller_does_not_get_the_answer(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("".join(f"{name}: {hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("web", "batch")))
    async with RouterSuite(tokens_file=tokens) as suite:
        request = CompleteRequest(prompt=prompt(), request_id="1")

        async def replayed(caller: str) -> bool:
            response = await suite.stub.Complete(request, metadata=(("authorization", f"Bearer {caller}"),))
            return response.answer.replayed

        assert [await replayed(caller) for caller in ("web", "batch", "web")] == [False, False, True]


async def test_the_pool_comes_in_pages_without_addresses(suite: RouterSuite) -> None:
    names: list[list[str]] = []
    token = ""
    while True:
        page = await suite.stub.ListCandidates(ListCandidatesRequest(page_size=2, page_token=token))
        names.append([each.candidate.name for each in page.candidates])
        assert not any(each.candidate.address for each in page.candidates)
        token = page.next_page_token
        if not token:
            break
    assert names == [["a", "b"], ["c"]]
    with pytest.raises(grpc.aio.AioRpcError, match="begin again"):
        await suite.stub.ListCandidates(ListCandidatesRequest(page_token="gone"))
