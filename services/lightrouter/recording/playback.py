"""Plays a recording back: what a model said to a prompt, cut where a limit falls, and going on from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightrouter.recording.recording import RecordedPrompt, Recording, Response
from lightrouter.runtime.tokens import count, cut
from lightrouter.v1.chat_pb2 import ChatMessage, Role

_SYSTEM = Role.ROLE_SYSTEM


class NotRecordedError(Exception):
    """The recording does not have what is asked for; its text is one sentence, without the prompt's."""


@dataclass(frozen=True, slots=True)
class Played:
    """A piece of a recorded response.

    Attributes:
        text: The text.
        input_tokens: Tokens read for it: the prompt, and what it goes on from.
        output_tokens: Tokens of the piece.
        ended: Whether the response ends with it.
        seconds: What writing it took in the recording; 0 where that was not recorded.
    """

    text: str
    input_tokens: int
    output_tokens: int
    ended: bool
    seconds: float


class Playback:
    """One model's responses, found by what was asked.

    A conversation is looked up by what its user and assistant say, whatever the white space between the words; system
    messages are passed over. Of two equal prompts the first one's response counts.
    """

    def __init__(self, recording: Recording, model: str) -> None:
        """Plays the responses of `model`, a recorded name.

        Raises:
            NotRecordedError: The recording has none.
        """
        self._model = model
        self._by_prompt: dict[str, tuple[RecordedPrompt, Response]] = {}
        self._by_words: dict[str, tuple[RecordedPrompt, Response]] = {}
        for prompt in recording.prompts:
            response = prompt.responses.get(model)
            if response is None:
                continue
            found = (prompt, response)
            if len(prompt.messages) == 1:
                self._by_prompt.setdefault(prompt.messages[0].content, found)
            self._by_words.setdefault(_words(prompt.messages), found)
        if not self._by_words:
            raise NotRecordedError(f"the recording has no responses of {model}")

    def play(self, messages: Sequence[ChatMessage], lead: str, max_tokens: int | None) -> Played:
        """Returns what the model wrote next.

        Args:
            messages: The conversation.
            lead: What it has written already.
            max_tokens: Most tokens of the piece, 1 upward; None for all the rest.

        Raises:
            NotRecordedError: It was not asked this, or did not begin its response so.
        """
        prompt, response = self._find(messages)
        text = response.text
        if not text.startswith(lead):
            raise NotRecordedError(f"the recorded response of {self._model} does not begin with the text to go on from")
        before = count(lead)
        rest = text[len(lead) :]
        piece = rest if max_tokens is None else cut(rest, _reach(response, before, max_tokens) - before)
        after = before + count(piece)
        read = response.input_tokens if response.input_tokens is not None else prompt.input_tokens
        written = _position(response, after) - _position(response, before)
        return Played(
            text=piece,
            input_tokens=read + _position(response, before),
            output_tokens=written,
            ended=len(piece) == len(rest),
            seconds=(response.latency_s or 0.0) * written / max(1, response.output_tokens),
        )

    def _find(self, messages: Sequence[ChatMessage]) -> tuple[RecordedPrompt, Response]:
        found = self._by_prompt.get(messages[0].content) if len(messages) == 1 else None
        found = found or self._by_words.get(_words(messages))
        if found is None:
            raise NotRecordedError(f"the recording has no response of {self._model} to this conversation")
        return found


def _position(response: Response, counted: int) -> int:
    """Returns how many of the recorded tokens the first `counted` of our own are; they spread evenly."""
    if response.counted_tokens == response.output_tokens:
        return counted
    if counted and counted >= response.counted_tokens:
        return response.output_tokens
    return counted * response.output_tokens // max(1, response.counted_tokens)


def _reach(response: Response, before: int, max_tokens: int) -> int:
    """Returns up to which of our own tokens `max_tokens` recorded ones reach after the first `before`: one at least."""
    if response.counted_tokens == response.output_tokens:
        return before + max_tokens
    most = _position(response, before) + max_tokens
    # The largest position that is not beyond `most`.
    reached = ((most + 1) * response.counted_tokens - 1) // max(1, response.output_tokens)
    return max(before + 1, reached)


def _words(messages: Sequence[ChatMessage]) -> str:
    return "\n".join(_turns(messages))


def _turns(messages: Sequence[ChatMessage]) -> Iterator[str]:
    for message in messages:
        if message.role != _SYSTEM:
            yield f"{message.role} {' '.join(message.content.split())}"
