"""The fields of a message are counted before it is parsed."""

from __future__ import annotations

from random import Random

import pytest
from google.protobuf.message import Message

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.fields import fields, most_fields
from lightrouter.runtime.rpc.validation import MessageRules
from lightrouter.v1.chat_pb2 import ROLE_ASSISTANT, ChatMessage, OutputSpec, Sampling, Tool, ToolCall
from lightrouter.v1.router_pb2 import CompleteRequest, Prompt

MANY = 100_000


def counted(message: Message) -> int:
    """Returns the number of fields that the parsed message shows."""
    count = 0
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        count += len(values)
        if field.message_type:
            count += sum(map(counted, values))
    return count


def random_request(chance: Random) -> CompleteRequest:
    turns = [
        ChatMessage(
            role=ROLE_ASSISTANT,
            content="a" * chance.choice((0, 1, 127, 128, 20_000)),
            tool_calls=[ToolCall(id="a", arguments="{}")] * chance.randrange(3),
        )
        for _ in range(chance.randrange(40))
    ]
    sampling = Sampling(temperature=0.5, seed=2**31 - 1, stop=["."] * chance.randrange(4))
    output = OutputSpec(tools=[Tool(name="a")] * chance.randrange(3))
    return CompleteRequest(prompt=Prompt(messages=turns, sampling=sampling, output=output), request_id="a")


@pytest.mark.parametrize("seed", range(30))
def test_they_are_those_of_the_message_and_its_submessages(seed: int) -> None:
    request = random_request(Random(seed))
    assert fields(request.SerializeToString(), request.DESCRIPTOR, MANY) == counted(request)


@pytest.mark.parametrize("most", [0, 1, 7, 100])
def test_counting_ends_at_the_maximum(most: int) -> None:
    request = CompleteRequest(prompt=Prompt(messages=[ChatMessage()] * MANY))
    assert fields(request.SerializeToString(), request.DESCRIPTOR, most) == most + 1


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 0),
        (b"\xff" * MANY, 1),
        (b"\x80" * MANY, 1),
        (b"\x0a\x80", 1),
        (b"\x0a", 1),
        (b"\x0a\x7f", 1),
        (b"\x0a\xff\xff\xff\xff\x0f\x0a", 2),
        (b"\xf8\x7f\x01" * 9, 9),
        (b"\x0b" * 9, 9),
        (b"\x09" + bytes(8) + b"\x0d" + bytes(4), 2),
    ],
)
def test_what_is_no_message_is_counted_up_to_its_fault(raw: bytes, count: int) -> None:
    assert fields(raw, CompleteRequest.DESCRIPTOR, MANY) == count


@pytest.mark.parametrize("seed", range(200))
def test_no_bytes_make_it_fail(seed: int) -> None:
    chance = Random(seed)
    raw = bytearray(random_request(chance).SerializeToString())
    for _ in range(chance.randrange(20)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    assert 0 <= fields(bytes(raw), CompleteRequest.DESCRIPTOR, 100) <= 101


def test_a_list_that_the_rules_cannot_go_through_is_bad_input() -> None:
    turn = ChatMessage(role=ROLE_ASSISTANT, tool_calls=[ToolCall(id="a", name="b")] * 20_000)
    with pytest.raises(ServiceError, match=r"^a list has more elements than can be checked; send fewer$") as caught:
        MessageRules().check(turn, first_fault=True)
    assert caught.value.code == Code.INVALID_ARGUMENT


def test_a_service_of_the_suite_takes_more_than_a_router() -> None:
    assert most_fields(1024) == most_fields(4 * 1024 * 1024) == 8_192
    assert most_fields(16 * 1024 * 1024) == 32_768
