"""Clients with older protos go on: they call the router with what they know, and skip what they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClassesForFiles

from tests.rpc.router_suite import RouterSuite

# The protos before tools, parts and output forms came: `protoc -o` of them, without comments.
_OLDER = Path(__file__).parent / "older" / "protos.binpb"
_SERVICE = "/lightrouter.v1.RouterService/"


@pytest.fixture
async def suite() -> AsyncIterator[RouterSuite]:
    async with RouterSuite() as running:
        yield running


@pytest.fixture(scope="module")
def older() -> dict[str, type[Any]]:
    """Returns the message classes of the older protos by their names."""
    pool = descriptor_pool.DescriptorPool()
    files = FileDescriptorSet.FromString(_OLDER.read_bytes()).file
    for file in files:
        pool.Add(file)
    classes = GetMessageClassesForFiles([file.name for file in files if file.package == "lightrouter.v1"], pool)
    return {name.rpartition(".")[2]: kind for name, kind in classes.items()}


def prompt(older: dict[str, type[Any]]) -> Any:
    message = older["ChatMessage"](role=2, content="How far is the moon?")
    return older["Prompt"](messages=[message])


async def test_an_older_client_gets_its_answer(suite: RouterSuite, older: dict[str, type[Any]]) -> None:
    request, response = older["CompleteRequest"](prompt=prompt(older)), older["CompleteResponse"]
    call = suite.channel.unary_unary(
        _SERVICE + "Complete",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    answer = (await call(request)).answer
    assert answer.text
    assert answer.ledger.cost_nanousd == sum(entry.cost_nanousd for entry in answer.ledger.entries)
    assert not answer.degraded


async def test_an_older_client_reads_a_stream(suite: RouterSuite, older: dict[str, type[Any]]) -> None:
    request, response = older["StreamCompleteRequest"](prompt=prompt(older)), older["StreamCompleteResponse"]
    call = suite.channel.unary_stream(
        _SERVICE + "StreamComplete",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    events = [event async for event in call(request)]
    assert [event.WhichOneof("event") for event in (events[0], events[-1])] == ["started", "answer"]
    assert "".join(event.chunk.text for event in events if event.HasField("chunk"))


async def test_an_older_client_lists_the_whole_pool(suite: RouterSuite, older: dict[str, type[Any]]) -> None:
    request, response = older["ListCandidatesRequest"](), older["ListCandidatesResponse"]
    call = suite.channel.unary_unary(
        _SERVICE + "ListCandidates",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    assert [each.candidate.name for each in (await call(request)).candidates] == ["a", "b", "c"]
