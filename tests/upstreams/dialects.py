"""The wire formats of the provider APIs, for behaviours that are the same for all: see `Dialect`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from tests.upstreams.upstream import Behaviour, Exchange, Request

MODEL: Final = "model-as-the-provider-names-it"
# Of hidden reasoning, which the provider wants back.
SIGNATURE: Final = "c2ln"


@dataclass(frozen=True)
class Counts:
    """Token counts of a reply: `read` includes `cached` and `stored`, `written` includes `thought`."""

    read: int = 10
    cached: int = 0
    stored: int = 0
    written: int = 5
    thought: int = 0


class Call(NamedTuple):
    """A tool call of a reply; its arguments are JSON text."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True)
class Said:
    """A reply: its pieces, why it ended (`stop`, `length`, `filter`, `pause`, empty for no word of it), and its counts.

    `thoughts` are pieces of hidden reasoning before the text, `calls` tool calls behind it.
    """

    pieces: Sequence[str] = ("Hello", " world")
    finish: str = "stop"
    thoughts: Sequence[str] = ()
    counts: Counts = Counts()
    calls: Sequence[Call] = ()

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


class Dialect(ABC):
    """One provider API, as a server speaks it."""

    provider: str
    """The API's name in pool entries."""
    key_header: str
    """The header of the API key."""
    finishes: ClassVar[Mapping[str, str]]
    """The API's words for why a text ended."""

    @abstractmethod
    def document(self, said: Said) -> dict[str, Any]:
        """Returns a reply that is not streamed."""

    @abstractmethod
    def events(self, said: Said) -> Iterator[bytes]:
        """Yields the events of a stream, an event of text for each piece."""

    @abstractmethod
    def error(self, status: int, message: str) -> dict[str, Any]:
        """Returns the body of an error."""

    @abstractmethod
    def prefill(self, body: Mapping[str, Any]) -> str:
        """Returns the text from which a request wants the model to go on; empty if there is none."""

    @abstractmethod
    def option(self, body: Mapping[str, Any], name: str) -> object:
        """Returns an option of a request by the OpenAI API's name; None if it has none."""

    def streams(self, request: Request) -> bool:
        """Returns whether a request asks for a stream."""
        return bool(request.body.get("stream"))

    def reply(self, said: Said) -> Behaviour:
        """Answers with a document or a stream, as the request asks."""

        async def behave(exchange: Exchange) -> None:
            if self.streams(exchange.request):
                await exchange.begin_events()
                for event in self.events(said):
                    await exchange.chunk(event)
                await exchange.end_chunks()
            else:
                await exchange.reply(json.dumps(self.document(said)).encode())

        return behave

    def broken(self, said: Said, *, hangs: bool = False) -> Behaviour:
        """Streams the pieces, then ends or `hangs` without the end of the text."""

        async def behave(exchange: Exchange) -> None:
            await exchange.begin_events()
            for event in self.events(Said(said.pieces, "", said.thoughts)):
                await exchange.chunk(event)
            if hangs:
                await exchange.hang()
            await exchange.end_chunks()

        return behave

    def refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> Behaviour:
        """Answers with an error."""

        async def behave(exchange: Exchange) -> None:
            await exchange.reply(json.dumps(self.error(status, message)).encode(), status, headers=headers)

        return behave


def _pieces(text: str) -> Iterator[str]:
    yield from (text[at : at + 7] for at in range(0, len(text), 7))


def event(document: object, kind: str = "") -> bytes:
    """Returns a server-sent event."""
    named = f"event: {kind}\n" if kind else ""
    return f"{named}data: {json.dumps(document)}\n\n".encode()


class OpenAIDialect(Dialect):
    """OpenAI's chat completions."""

    provider, key_header = "openai", "authorization"
    finishes: ClassVar = {"stop": "stop", "length": "length", "filter": "content_filter", "pause": "pause_turn"}

    def document(self, said: Said) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": said.text,
            "reasoning_content": "".join(said.thoughts),
        }
        message |= {"tool_calls": [self._call(call) for call in said.calls]} if said.calls else {}
        choice = {"index": 0, "message": message, "finish_reason": self._finish(said)}
        return {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": self._usage(said.counts)}

    def events(self, said: Said) -> Iterator[bytes]:
        for thought in said.thoughts:
            yield self._event({"reasoning_content": thought})
        for piece in said.pieces:
            yield self._event({"content": piece})
        for index, call in enumerate(said.calls):
            begun = self._call(call._replace(arguments=""))
            yield self._event({"tool_calls": [{"index": index, **begun}]})
            for piece in _pieces(call.arguments):
                yield self._event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        if said.finish:
            yield self._event({}, self._finish(said))
            yield event({"model": MODEL, "choices": [], "usage": self._usage(said.counts)})
            yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "code": status}}

    def prefill(self, body: Mapping[str, Any]) -> str:
        last = body["messages"][-1]
        return str(last["content"]) if last["role"] == "assistant" else ""

    def option(self, body: Mapping[str, Any], name: str) -> object:
        return body.get(name)

    def _finish(self, said: Said) -> str:
        return "tool_calls" if said.calls and said.finish == "stop" else self.finishes[said.finish]

    @staticmethod
    def _call(call: Call) -> dict[str, Any]:
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

    @staticmethod
    def _event(delta: object, finish: str | None = None) -> bytes:
        return event({"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    @staticmethod
    def _usage(counts: Counts) -> dict[str, Any]:
        return {
            "prompt_tokens": counts.read,
            "completion_tokens": counts.written,
            "total_tokens": counts.read + counts.written,
            "prompt_tokens_details": {"cached_tokens": counts.cached},
            "completion_tokens_details": {"reasoning_tokens": counts.thought},
        }


class AnthropicDialect(Dialect):
    """Anthropic's Messages API."""

    provider, key_header = "anthropic", "x-api-key"
    finishes: ClassVar = {"stop": "end_turn", "length": "max_tokens", "filter": "refusal", "pause": "pause_turn"}

    def document(self, said: Said) -> dict[str, Any]:
        thoughts = [{"type": "thinking", "thinking": "".join(said.thoughts), "signature": SIGNATURE}]
        calls = [self._call(call, json.loads(call.arguments)) for call in said.calls]
        return {
            **self._message(said.counts),
            "content": [*(thoughts if said.thoughts else []), {"type": "text", "text": said.text}, *calls],
            "stop_reason": self._finish(said),
            "usage": self._usage(said.counts),
        }

    def events(self, said: Said) -> Iterator[bytes]:
        index = 0
        yield self._event("message_start", message=self._message(said.counts))
        if said.thoughts:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            yield self._event("content_block_start", index=index, content_block=block)
            for thought in said.thoughts:
                yield self._delta(index, "thinking_delta", thinking=thought)
            yield self._delta(index, "signature_delta", signature=SIGNATURE)
            yield self._event("content_block_stop", index=index)
            index += 1
        yield self._event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        yield self._event("ping")
        for piece in said.pieces:
            yield self._delta(index, "text_delta", text=piece)
        if said.finish:
            yield self._event("content_block_stop", index=index)
        for place, call in enumerate(said.calls, index + 1):
            yield self._event("content_block_start", index=place, content_block=self._call(call, {}))
            yield self._delta(place, "input_json_delta", partial_json="")
            for piece in _pieces(call.arguments):
                yield self._delta(place, "input_json_delta", partial_json=piece)
            yield self._event("content_block_stop", index=place)
        if said.finish:
            ended = {"stop_reason": self._finish(said), "stop_sequence": None}
            yield self._event("message_delta", delta=ended, usage=self._usage(said.counts))
            yield self._event("message_stop")

    def error(self, status: int, message: str) -> dict[str, Any]:
        kinds = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}
        kind = kinds.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}

    def prefill(self, body: Mapping[str, Any]) -> str:
        last = body["messages"][-1]
        return str(last["content"][0]["text"]) if last["role"] == "assistant" else ""

    def option(self, body: Mapping[str, Any], name: str) -> object:
        return body.get({"stop": "stop_sequences"}.get(name, name))

    def _finish(self, said: Said) -> str:
        return "tool_use" if said.calls and said.finish == "stop" else self.finishes[said.finish]

    @staticmethod
    def _call(call: Call, given: object) -> dict[str, Any]:
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}

    @staticmethod
    def _event(kind: str, **members: object) -> bytes:
        return event({"type": kind, **members}, kind)

    def _delta(self, index: int, kind: str, **members: object) -> bytes:
        return self._event("content_block_delta", index=index, delta={"type": kind, **members})

    def _message(self, counts: Counts) -> dict[str, Any]:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**self._usage(counts), "output_tokens": 1},
        }

    @staticmethod
    def _usage(counts: Counts) -> dict[str, Any]:
        return {
            "input_tokens": counts.read - counts.cached - counts.stored,
            "cache_read_input_tokens": counts.cached,
            "cache_creation_input_tokens": counts.stored,
            "output_tokens": counts.written,
            "output_tokens_details": {"thinking_tokens": counts.thought},
        }


class GeminiDialect(Dialect):
    """Google's Gemini API."""

    provider, key_header = "gemini", "x-goog-api-key"
    finishes: ClassVar = {"stop": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY", "pause": "OTHER"}

    def document(self, said: Said) -> dict[str, Any]:
        thoughts = [{"text": "".join(said.thoughts), "thought": True}] if said.thoughts else []
        return self._chunk([*thoughts, {"text": said.text}, *self._calls(said)], said.finish, said.counts)

    def events(self, said: Said) -> Iterator[bytes]:
        for thought in said.thoughts:
            yield event(self._chunk([{"text": thought, "thought": True}]))
        # The end comes with the last text.
        last = said.pieces[-1] if said.pieces else ""
        for piece in said.pieces[: -1 if said.finish else None]:
            yield event(self._chunk([{"text": piece}]))
        if said.finish:
            yield event(self._chunk([{"text": last}, *self._calls(said)], said.finish, said.counts))

    def error(self, status: int, message: str) -> dict[str, Any]:
        words = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
        return {"error": {"code": status, "message": message, "status": words.get(status, "INTERNAL")}}

    def prefill(self, body: Mapping[str, Any]) -> str:
        last = body["contents"][-1]
        return str(last["parts"][0]["text"]) if last["role"] == "model" else ""

    def option(self, body: Mapping[str, Any], name: str) -> object:
        names = {"stop": "stopSequences", "top_p": "topP", "max_tokens": "maxOutputTokens"}
        found: object = body.get("generationConfig", {}).get(names.get(name, name))
        return found

    def streams(self, request: Request) -> bool:
        return ":streamGenerateContent?alt=sse" in request.path

    @staticmethod
    def _calls(said: Said) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = [
            {"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in said.calls
        ]
        if calls:
            calls[0]["thoughtSignature"] = SIGNATURE
        return calls

    def _chunk(self, parts: Sequence[object], finish: str = "", counts: Counts | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish:
            candidate["finishReason"] = self.finishes[finish]
        chunk: dict[str, Any] = {"candidates": [candidate], "modelVersion": MODEL, "responseId": "r1"}
        if counts:
            chunk["usageMetadata"] = {
                "promptTokenCount": counts.read,
                "cachedContentTokenCount": counts.cached,
                "candidatesTokenCount": counts.written - counts.thought,
                "thoughtsTokenCount": counts.thought,
                "totalTokenCount": counts.read + counts.written,
            }
        return chunk


DIALECTS: Final = (OpenAIDialect(), AnthropicDialect(), GeminiDialect())
