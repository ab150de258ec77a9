"""Provider `replay`: answers from a recording. The rest of the adapter is the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from typing import Final, Self

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.pool.schema import CandidateEntry
from lightrouter.recording.load import RecordingError, load
from lightrouter.recording.playback import NotRecordedError, Playback, Played
from lightrouter.v1.chat_pb2 import FinishReason

_STOP: Final = FinishReason.FINISH_REASON_STOP
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
# A choice: the seconds between two deltas of a paced stream.
_PACE_SECONDS: Final = 0.05


class Replay:
    """The recorded responses of one candidate. See `Provider`.

    Token counts are the recording's. No input token counts as cached: most prompts are shorter than the 1,024 tokens
    from which hosted models cache (OpenAI's guide to prompt caching).
    """

    def __init__(self, entry: CandidateEntry, playback: Playback) -> None:
        """Answers for `entry` from `playback`."""
        self._model = entry.model
        self._pace = entry.pace
        self._playback = playback

    @classmethod
    def from_file(cls, entry: CandidateEntry) -> Self:
        """Reads the recording of `entry`, without its labels.

        Raises:
            EntryError: The recording cannot be used, or does not have the entry's model.
        """
        path = entry.recording
        if path is None:
            raise AssertionError("the schema lets no entry of this provider through without a recording")
        try:
            recording = load(path, [entry.model])
            if not recording.models:
                known = ", ".join(load(path).models)
                raise EntryError(f"{path}: has no responses of {entry.model}; it has those of {known}")
        except RecordingError as error:
            raise EntryError(str(error)) from None
        return cls(entry, Playback(recording, entry.model))

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        """Returns the recorded output. See `Provider.generate`."""
        played = self._play(request, request.max_tokens)
        if self._pace and played.seconds:
            await asyncio.sleep(played.seconds)
        self._end(played, info)
        return TextDelta(played.text, "")

    async def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields the recorded output after the prefill. See `Provider.stream`.

        A delta ends at the checkpoint: there, a limit of as many tokens would end the text.
        """
        played, checkpoint = self._play(request, request.max_tokens), request.checkpoint_tokens
        head = self._play(request, checkpoint) if checkpoint else played
        begin = self._pieces(head.text, head.seconds)
        rest = played.text[len(head.text) :]
        end = self._pieces(rest, played.seconds - head.seconds) if rest else []
        last = len(begin) + len(end)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number, text in enumerate([*begin, *end], 1):
            if self._pace and played.seconds:
                due += played.seconds / last
                await asyncio.sleep(due - loop.time())
            if checkpoint:
                beyond = (played.output_tokens - head.output_tokens) * (number - len(begin)) // max(1, len(end))
                info.written = checkpoint + beyond if number >= len(begin) else 0
            if number == last:
                self._end(played, info)
            yield TextDelta(text, "")

    async def aclose(self) -> None:
        """Does nothing: a recording has no connections."""

    def _play(self, request: ProviderRequest, max_tokens: int | None) -> Played:
        try:
            return self._playback.play(request.messages, request.prefill, max_tokens)
        except NotRecordedError as error:
            raise faults.not_recorded(str(error)) from None

    def _end(self, played: Played, info: ReplyInfo) -> None:
        info.model = self._model
        info.finish_reason = _STOP if played.ended else _LENGTH
        info.usage = {"prompt_tokens": played.input_tokens, "completion_tokens": played.output_tokens}

    def _pieces(self, text: str, seconds: float) -> list[str]:
        """Returns the text; in equal parts, one for each 0.05 s of the recorded time, if the stream is paced."""
        count = max(1, min(len(text), round(seconds / _PACE_SECONDS))) if self._pace else 1
        return [
            text[begin:end] for begin, end in pairwise(round(len(text) * number / count) for number in range(count + 1))
        ]
