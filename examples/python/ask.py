"""Asks a router once, as a stream, with a tool and with a mistake. Copy what you need."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from lightrouter.v1.chat_pb2 import (
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    ChatMessage,
    OutputSpec,
    Sampling,
    Tool,
    ToolCall,
)
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt, StreamCompleteRequest
from lightrouter.v1.router_pb2_grpc import RouterServiceStub

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

DEADLINE_S = 60
MAX_TURNS = 8
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool(name="get_weather", description="The weather in a city now.", parameters=json.dumps(SCHEMA))


def user(text: str) -> ChatMessage:
    """Returns a message of the user."""
    return ChatMessage(role=ROLE_USER, content=text)


def connect() -> grpc.aio.Channel:
    """Opens a channel to the router that the environment names."""
    address = os.environ.get("LIGHTROUTER_ADDRESS", "127.0.0.1:50051")
    if ca_file := os.environ.get("LIGHTROUTER_TLS_CA_FILE"):
        return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(Path(ca_file).read_bytes()))
    return grpc.aio.insecure_channel(address)


def metadata() -> list[tuple[str, str]]:
    """Returns the headers of a call: the bearer token, if there is one."""
    token = os.environ.get("LIGHTROUTER_TOKEN")
    return [("authorization", f"Bearer {token}")] if token else []


async def complete(router: RouterServiceAsyncStub, prompt: Prompt) -> Answer:
    """Returns the answer in one message."""
    request = CompleteRequest(prompt=prompt)
    return (await router.Complete(request, timeout=DEADLINE_S, metadata=metadata())).answer


async def stream(router: RouterServiceAsyncStub, prompt: Prompt) -> Answer:
    """Prints the answer as it is written and returns its end."""
    answer = Answer()
    request = StreamCompleteRequest(prompt=prompt)
    async for event in router.StreamComplete(request, timeout=DEADLINE_S, metadata=metadata()):
        if event.HasField("chunk"):
            # The model failed, and another one writes the answer anew: what was printed is void.
            print("\n" if event.chunk.restart else "", event.chunk.text, sep="", end="", flush=True)
        elif event.HasField("answer"):
            answer = event.answer
    print()
    return answer


async def use_tools(router: RouterServiceAsyncStub, question: str) -> Answer:
    """Runs the tools that the models call, until one answers."""
    messages = [user(question)]
    for _ in range(MAX_TURNS):
        answer = await complete(router, Prompt(messages=messages, output=OutputSpec(tools=[WEATHER])))
        if not answer.tool_calls:
            return answer
        # `candidate` and `state` let the model that made the calls go on from where it was.
        messages.append(
            ChatMessage(
                role=ROLE_ASSISTANT,
                content=answer.text,
                tool_calls=answer.tool_calls,
                candidate=answer.candidate,
                state=answer.state,
            )
        )
        for call in answer.tool_calls:
            result = run(call)
            print(f"{call.name} {call.arguments}: {result}")
            messages.append(ChatMessage(role=ROLE_TOOL, tool_call_id=call.id, content=result))
    raise RuntimeError(f"no answer after {MAX_TURNS} turns")


def run(call: ToolCall) -> str:
    """Returns what the tool says. A fault goes to the model as text, so that it can call again."""
    if call.name != WEATHER.name:
        return f"error: there is no tool {call.name}"
    try:
        city = json.loads(call.arguments)["city"]
    except (ValueError, LookupError, TypeError):
        return "error: the arguments must be a JSON object with city"
    return f"It rains in {city}."


def show(answer: Answer) -> None:
    """Prints who wrote an answer, what it cost and how it was degraded."""
    cost = answer.ledger.cost_nanousd / 1e9
    print(f"by {', '.join(answer.candidates)} for ${cost:.9f}")
    for each in answer.degraded:
        print(f"degraded: {each.message}")


def explain(error: grpc.aio.AioRpcError) -> str:
    """Returns an error with the reasons, the fields and the time of a retry that its details name."""
    lines = [f"{error.code().name}: {error.details()}"]
    found = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for detail in Status.FromString(found).details:
        info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
        if detail.Unpack(info):
            lines.append(f"reason {info.reason}")
        elif detail.Unpack(bad):
            lines += [f"field {each.field}: {each.description}" for each in bad.field_violations]
        elif detail.Unpack(retry):
            lines.append(f"retry after {retry.retry_delay.ToTimedelta()}")
    return "\n  ".join(lines)


async def main() -> None:
    """Asks in each of the ways."""
    paperclip = Prompt(messages=[user("Name three uses of a paperclip.")])
    async with connect() as channel:
        router = RouterServiceStub(channel)
        answer = await complete(router, paperclip)
        print(answer.text)
        show(answer)

        show(await stream(router, paperclip))

        answer = await use_tools(router, "What is the weather in Oslo and in Bergen?")
        print(answer.text)
        show(answer)

        try:
            await complete(router, Prompt(messages=paperclip.messages, sampling=Sampling(temperature=3)))
        except grpc.aio.AioRpcError as error:
            print("refused:", explain(error))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except grpc.aio.AioRpcError as error:
        sys.exit(explain(error))
