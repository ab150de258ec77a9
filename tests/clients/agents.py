"""Providers whose model uses a tool, each with its own way of writing tool calls, good and bad."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.upstreams.behaviours import completion, delta, stream
from tests.upstreams.dialects import SIGNATURE, Call, Dialect, Said
from tests.upstreams.upstream import Behaviour, Exchange

CITIES = ("Oslo", "Bergen")
RESULTS = [f"It rains in {city}." for city in CITIES]
USES = "Clip paper, hold hair, reset a router."
REPORT = "The tool said: "
Piece = dict[str, Any]
# The pieces of the calls, and the finish reason behind them.
Message = tuple[Sequence[Piece], str]


def arguments(city: str) -> str:
    """Returns the arguments of a call as JSON text."""
    return json.dumps({"city": city})


def piece(text: object, name: str | None = "get_weather", **members: Any) -> Piece:
    """Returns a piece of a call; `members` are its index and its id."""
    return {**members, "function": {"arguments": text} | ({"name": name} if name else {})}


def cut(city: str, **members: Any) -> list[Piece]:
    """Returns a call in pieces of four characters, the first one with its id and its name."""
    text = arguments(city)
    rest = [piece(text[at : at + 4], None, index=members["index"]) for at in range(0, len(text), 4)]
    return [piece("", **members), *rest]


def interleaved() -> list[Piece]:
    """Returns the pieces of two calls by turns."""
    first, second = (cut(city, index=at, id=f"call-{at}") for at, city in enumerate(CITIES))
    # The second one is longer.
    pairs = zip(first, second, strict=False)
    return [each for pair in pairs for each in pair] + second[len(first) :]


SHAPES: Mapping[str, Message] = {
    "pieces": ([*cut("Oslo", index=0, id="a"), *cut("Bergen", index=1, id="b")], "tool_calls"),
    "null ids": ([piece(arguments(city), index=at, id=None) for at, city in enumerate(CITIES)], "tool_calls"),
    "no ids": ([piece(arguments(city), index=at) for at, city in enumerate(CITIES)], "tool_calls"),
    "one id for all": ([piece(arguments(city), index=at, id="call") for at, city in enumerate(CITIES)], "tool_calls"),
    "gaps and stop": ([*cut("Oslo", index=2, id="a"), *cut("Bergen", index=7, id="b")], "stop"),
    "interleaved": (interleaved(), "tool_calls"),
    "objects": ([piece({"city": city}, id=city) for city in CITIES], "stop"),
}


# A tool that does not exist, and arguments that are none.
MISTAKES: Sequence[Message] = (
    ([piece(arguments("Oslo"), "get_time", index=0, id="a")], "tool_calls"),
    ([piece("Oslo", index=0, id="b")], "tool_calls"),
)


def agent(*turns: Message) -> Behaviour:
    """Sends these calls, a turn each, and reports what the tool said last; without tools it answers at once."""

    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        told = results(body["messages"])
        if "tools" not in body:
            await says(USES)(exchange)
        elif len(told) == len(turns):
            await says(REPORT + " ".join(told[-1]))(exchange)
        else:
            pieces, finish = turns[len(told)]
            if body.get("stream"):
                events = [delta(message={"tool_calls": [each]}) for each in pieces]
                await stream([*events, delta(finish=finish)])(exchange)
            else:
                message = {"tool_calls": whole(pieces)}
                await exchange.reply(json.dumps(completion(None, finish, message=message)).encode())

    return behave


def says(text: str) -> Behaviour:
    """Answers everything with this text, a word an event if the request asks for a stream."""

    async def behave(exchange: Exchange) -> None:
        if exchange.request.body.get("stream"):
            words = [word + " " for word in text.split(" ")]
            words[-1] = words[-1].rstrip()
            await stream([*map(delta, words), delta(finish="stop")])(exchange)
        else:
            await exchange.reply(json.dumps(completion(text)).encode())

    return behave


def thinker(dialect: Dialect) -> Behaviour:
    """Thinks in a provider's own API, whose signature has to come back with the results of its calls."""
    calls = [Call("get_weather", arguments(city), f"toolu_{city}") for city in CITIES]

    async def behave(exchange: Exchange) -> None:
        body = exchange.request.raw.decode()
        if all(result in body for result in RESULTS):
            assert SIGNATURE in body
            said = Said((REPORT, " ".join(RESULTS)))
        elif "get_weather" in body:
            said = Said((), thoughts=("Hm.",), calls=calls)
        else:
            said = Said((USES,))
        await dialect.reply(said)(exchange)

    return behave


def results(messages: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Returns what the tool said in each turn of a conversation, after a check that each call has one result."""
    turns: list[list[str]] = []
    waiting: list[str] = []
    for message in messages:
        if message.get("tool_calls"):
            waiting = [call["id"] for call in message["tool_calls"]]
            assert len(set(waiting)) == len(waiting)
            turns.append([])
        elif message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            turns[-1].append(message["content"])
    assert not waiting
    return turns


def whole(pieces: Sequence[Piece]) -> list[Piece]:
    """Returns the calls of a document, whose pieces these are."""
    calls: dict[object, Piece] = {}
    for each in pieces:
        key = each.get("index", each.get("id"))
        if key not in calls:
            calls[key] = {**each, "function": dict(each["function"])}
        else:
            calls[key]["function"]["arguments"] += each["function"]["arguments"]
    return list(calls.values())
