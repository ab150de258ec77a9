"""Boot and completion make one text wherever the provider cuts: properties over engine, provider and parser."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.adapter.backoff import Backoff
from lightrouter.adapter.credentials import NoKey
from lightrouter.adapter.engine import Engine
from lightrouter.adapter.http import Endpoint, Reply
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.adapter.providers.http_provider import HttpProvider
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.adapter.quirks import LearnedQuirks
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.circuit import Circuit
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, GenerationResult
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role, Sampling

DEADLINE = Deadline.after(3600)
LENGTH = FinishReason.FINISH_REASON_LENGTH
MODES = ("trailing", "prefix", "continue_final_message", "raw", "none")
TEXT = st.text(st.sampled_from("ab \n😀é\u0301汉<") | st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
WRITTEN = st.builds(
    lambda thought, text: f"<think>{thought}</think>{text}" if thought else text,
    st.just("") | TEXT,
    TEXT.filter(lambda text: bool(text.strip())),
    # After a cut before its inner capital, the rest of such a name looks like a new answer of one word.
).filter(lambda text: not re.search(r"[a-z][A-Z][a-z]", text))


async def chunks(body: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in body:
        yield chunk


class FakeModel(Endpoint):
    """Writes one text, a byte a token, or its rest after a prefill; cuts its bytes into chunks by `cuts`.

    As real servers do, it leaves out the bytes of a character that a limit cuts, or sends U+FFFD for them.
    """

    def __init__(self, whole: str, cuts: Iterator[int], *, replacing: bool) -> None:
        self._whole = whole.encode()
        self._cuts = cuts
        self._replacing = replacing
        self.echoes = False

    async def post(self, body: bytes, key: str, *, streamed: bool = False) -> Reply:
        content, kind = self._answer(json.loads(body))
        headers = CIMultiDict({"content-type": kind})
        return Reply(200, headers, chunks(list(self._cut(content))), lambda: None, len(content))

    def _answer(self, body: dict[str, Any]) -> tuple[bytes, str]:
        """Returns the reply's body and its type."""
        begun = self._begun(body)
        rest = self._whole[len(begun) :]
        most = body.get("max_tokens", len(rest))
        finish = "stop" if len(rest) <= most else "length"
        text = rest[:most].decode(errors="replace" if self._replacing else "ignore")
        usage = {"prompt_tokens": 1 + len(begun), "completion_tokens": max(1, min(most, len(rest)))}
        if body.get("stream"):
            return self._stream((begun.decode() if self.echoes else "") + text, finish, usage)
        part = {"text": text} if "prompt" in body else {"message": {"content": text}}
        content = json.dumps({"choices": [{**part, "finish_reason": finish}], "usage": usage}).encode()
        return content, "application/json"

    def _begun(self, body: dict[str, Any]) -> bytes:
        if "prompt" in body:
            return str(body["prompt"]).removeprefix("User: Hi\n\nAssistant:").encode()
        last = body["messages"][-1]
        begun = str(last["content"]).encode() if last["role"] == "assistant" else b""
        assert self._whole.startswith(begun)
        return begun

    def _stream(self, text: str, finish: str, usage: dict[str, int]) -> tuple[bytes, str]:
        data = b""
        while text:
            size = 1 + next(self._cuts) % 5
            data += b"data: " + json.dumps({"choices": [{"delta": {"content": text[:size]}}]}).encode() + b"\n\n"
            text = text[size:]
        last = {"choices": [{"delta": {}, "finish_reason": finish}], "usage": usage}
        data += b"data: " + json.dumps(last).encode() + b"\n\n"
        return data + b"data: [DONE]\n\n", "text/event-stream"

    def _cut(self, data: bytes) -> Iterator[bytes]:
        while data:
            size = 1 + next(self._cuts) % 40
            yield data[:size]
            data = data[size:]


def engine(model: FakeModel, **members: object) -> Engine:
    entry = CandidateEntry.model_validate(
        {"name": "fast", "base_url": "http://h/v1", "model": "tiny", "chat_template": "plain", **members}
    )
    loop = asyncio.get_running_loop()
    circuit = Circuit(5, 10, clock=loop.time, later=loop.call_later)
    provider_state = ProviderState(circuit, Backoff(loop.time), LearnedQuirks(entry.name))
    provider = HttpProvider(OpenAI(entry), model, NoKey(), max_document_bytes=entry.limits.max_document_bytes)
    return Engine(entry, provider, provider_state, NoOpTracer(), CallMetrics(NoOpMeter("test")))


def asked(most: int | None, text: str = "", continuation: bytes = b"") -> Generation:
    return Generation(
        messages=[ChatMessage(role=Role.ROLE_USER, content="Hi")],
        prefix=text,
        continuation=continuation,
        sampling=Sampling(max_output_tokens=most),
    )


async def ask(made: Engine, generation: Generation, *, watched: bool) -> GenerateResponse:
    """Generates by a unary or a streamed call; both give the same."""
    if not watched:
        return await made.generate(generation, DEADLINE)
    text = reasoning = ""
    restarted = False
    result = GenerationResult()
    async for event in made.stream(generation, DEADLINE):
        text += event.chunk.text
        reasoning += event.chunk.reasoning
        restarted |= event.chunk.restarted
        result = event.result
    return GenerateResponse(text=text, reasoning=reasoning, restarted=restarted, result=result)


def repeated(cuts: list[int]) -> Iterator[int]:
    while True:
        yield from cuts


@settings(max_examples=300)
@given(
    whole=WRITTEN,
    steps=st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=3),
    last_watched=st.booleans(),
    cuts=st.lists(st.integers(0, 1000), min_size=1, max_size=20),
    mode=st.sampled_from(MODES),
    replacing=st.booleans(),
    echoes=st.booleans(),
)
def test_boot_and_rest_are_one_text(
    whole: str,
    steps: list[tuple[int, bool]],
    last_watched: bool,
    cuts: list[int],
    mode: str,
    replacing: bool,
    echoes: bool,
) -> None:
    async def written(steps: list[tuple[int | None, bool]]) -> tuple[str, str]:
        model = FakeModel(whole, repeated(cuts), replacing=replacing)
        model.echoes = echoes and mode != "raw"
        made = engine(model, continuation=mode, echoes_prefix=model.echoes, limits={"retries": 0})
        text = reasoning = ""
        continuation = b""
        for most, watched in steps:
            response = await ask(made, asked(most, text, continuation), watched=watched)
            if response.restarted:
                text = reasoning = ""
            text += response.text
            reasoning += response.reasoning
            continuation = response.result.continuation
            if response.result.finish_reason != LENGTH:
                break
        return text, reasoning

    at_once = asyncio.run(written([(None, False)]))
    limited: list[tuple[int | None, bool]] = [*steps, (None, last_watched)]
    assert asyncio.run(written(limited)) == at_once
