"""Plays a recording back: a model's response to a prompt, cut at a limit and continued from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightrouter.recording.recording import RecordedPrompt, Recording, Response
from lightrouter.runtime.tokens import count, cut
from lightrouter.v1.chat_pb2 import ChatMessage, Role

_SYSTEM = Role.ROLE_SYSTEM


class NotRecordedError(Exception):
    """The recording lacks the requested response; the text is one sentence, without the prompt."""


@dataclass(frozen=True, slots=True)
class Played:
    """A piece of a recorded response.

    Attributes:
        text: The text.
        input_tokens: Tokens read for it: the prompt and the text that it continues.
        output_tokens: Tokens of the piece.
        ended: Whether it is the end of the response.
        seconds: Recorded time to write it; 0 if not recorded.
    """

    text: str
    input_tokens: int
    output_tokens: int
    ended: bool
    seconds: float


class Playback:
    """One model's responses, found by conversation.

    A conversation is looked up by its user and assistant messages, whatever the white space between words; system
    messages are ignored. Of two equal prompts, the first one's response is used.
    """

    def __init__(self, recording: Recording, model: str) -> None:
        """Plays the responses of `model`, a recorded name.

        Raises:
            NotRecordedError: The recording has no responses of it.
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
        """Returns the next piece of the model's response.

        Args:
            messages: The conversation.
            lead: The text that it has already written.
            max_tokens: Maximum tokens of the piece, 1 or more; None: the whole rest.

        Raises:
            NotRecordedError: The conversation is not recorded, or the response does not start with `lead`.
        """
        prompt, response = self._find(messages)
        text = response.text
        if not text.startswith(lead):
            raise NotRecordedError(f"the recorded response of {self._model} does not start with the text to continue")
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
    """Returns how many recorded tokens the first `counted` of our own tokens are; they spread evenly."""
    if response.counted_tokens == response.output_tokens:
        return counted
    if counted and counted >= response.counted_tokens:
        return response.output_tokens
    return counted * response.output_tokens // max(1, response.counted_tokens)


def _reach(response: Response, before: int, max_tokens: int) -> int:
    """Returns our own token count once `max_tokens` recorded ones follow the first `before`: at least one more."""
    if response.counted_tokens == response.output_tokens:
        return before + max_tokens
    most = _position(response, before) + max_tokens
    # The largest position that is at most `most`.
    reached = ((most + 1) * response.counted_tokens - 1) // max(1, response.output_tokens)
    return max(before + 1, reached)


def _words(messages: Sequence[ChatMessage]) -> str:
    return "\n".join(f"{each.role} {' '.join(each.content.split())}" for each in messages if each.role != _SYSTEM)
