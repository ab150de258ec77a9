"""A held call as its caller reads it: what comes before the checkpoint, the checkpoint, and what comes after."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass, field

from lightrouter.runtime.toolcalls import ToolCalls
from lightrouter.v1.adapter_pb2 import GenerationChunk, GenerationResult, StreamGenerateResponse
from lightrouter.v1.chat_pb2 import ToolCall


@dataclass
class Held:
    """What a held call gave."""

    before: GenerationChunk = field(default_factory=GenerationChunk)
    """The output before the checkpoint, all of it if there is none."""
    checkpoint: GenerationResult | None = None
    after: GenerationChunk = field(default_factory=GenerationChunk)
    """The output after the checkpoint."""
    result: GenerationResult = field(default_factory=GenerationResult)
    ended: bool = False
    _calls: ToolCalls = field(default_factory=ToolCalls)

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls."""
        return self._calls.calls()

    @property
    def output(self) -> tuple[str, str]:
        """The whole text and the whole reasoning."""
        return self.before.text + self.after.text, self.before.reasoning + self.after.reasoning

    @property
    def booted(self) -> tuple[str, str]:
        """The text and the reasoning before the checkpoint."""
        return self.before.text, self.before.reasoning

    def take(self, event: StreamGenerateResponse) -> None:
        """Takes the next event; they come in order, each of its kind as often as the contract says."""
        assert not self.ended
        if event.HasField("piece"):
            assert event.WhichOneof("event") in {"checkpoint", "result"}
            self._add(event.piece)
        if event.HasField("result"):
            self.result = event.result
            self.ended = True
        elif event.HasField("checkpoint"):
            assert self.checkpoint is None
            self.checkpoint = event.checkpoint
        else:
            self._add(event.chunk)

    def _add(self, piece: GenerationChunk) -> None:
        chunk = self.before if self.checkpoint is None else self.after
        assert not (piece.restarted and (self.before.restarted or self.output != ("", "")))
        chunk.text += piece.text
        chunk.reasoning += piece.reasoning
        chunk.restarted |= piece.restarted
        self._calls.add(piece.tool_calls)


async def read(events: AsyncIterable[StreamGenerateResponse]) -> Held:
    """Reads a stream to its end."""
    held = Held()
    async for event in events:
        held.take(event)
    assert held.ended
    return held


async def read_to_checkpoint(events: AsyncIterable[StreamGenerateResponse]) -> Held:
    """Reads a stream up to its checkpoint, which must come."""
    held = Held()
    async for event in events:
        held.take(event)
        if held.checkpoint is not None:
            return held
    raise AssertionError("no checkpoint came")
