"""A request that comes again gets its answer again; the pool comes in pages, without addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from lightrouter.v1.router_pb2 import CompleteRequest, ListCandidatesRequest, StreamCompleteRequest
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import prompt


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
