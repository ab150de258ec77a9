"""Tokens of texts, counted without any model's vocabulary: the probable number, and the most that there can be.

`count` approximates what byte-pair encodings with vocabularies of 30,000 to 200,000 entries make of a text. A word of
up to eight letters with the space before it is one token, and a longer one has another for every eight letters. Up to
three digits are one, and up to three punctuation marks. Letters of two bytes in UTF-8 come two a token, all others
outside ASCII one. A run of white space is one. English prose has some 1.3 tokens a word, or one for every four to five
characters. Measured beside the vocabularies of cl100k, Qwen, DeepSeek, Mistral (SentencePiece) and Claude 2, the median
of the five is 0.95 to 1.04 times the count for English prose, code, Chinese and Japanese, 1.2 for German, Korean and
Hindi, 0.65 for Russian, 1.5 for Arabic, 1.9 for Greek.

Every character belongs to one token, and where a token ends depends on nothing behind it. So a cut text and its rest
have together as many tokens as the whole.

`most_tokens` is a bound rather than a guess, for money that must not be passed: random letters have up to six times
the tokens that are counted, rare characters four times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from lightrouter.v1.chat_pb2 import ChatMessage, OutputSpec, Part

_PIECE: Final = (
    r" ?(?:[A-Za-z]{1,8}|[0-9]{1,3}|[!-/:-@\[-`{-~]{1,3}|[\x80-\u07ff]{1,2}|[^\x00-\u07ff])"
    r"|[ \t-\r\x1c-\x1f]+|[\x00-\x08\x0e-\x1b\x7f]"
)
_find_all: Final = re.compile(_PIECE).findall
# Role and delimiters of a message, as the common chat templates write them.
_PER_MESSAGE: Final = 4
# The maximum of the same: the longest headers of the known templates (Llama 3, ChatML, DeepSeek) are shorter.
_MOST_PER_MESSAGE: Final = 16
# Choices: a picture of a megapixel has 765 tokens at OpenAI, 1,290 at Google and some 1,400 at Anthropic. A page of a
# PDF has some 2,000 tokens and 50 KB. A second of sound has 32 tokens at Google, and 16 KB as MP3.
_IMAGE_TOKENS: Final = 1_400
_FILE_BYTES_PER_TOKEN: Final = 24
_AUDIO_BYTES_PER_TOKEN: Final = 512
_LEAST_FILE_TOKENS: Final = 256
# Maximum characters that are all counted, about 10 ms of work; a longer text is sampled.
_COUNTED: Final = 32_768
_SAMPLE: Final = 512


def count(text: str) -> int:
    """Returns the number of tokens of `text`."""
    return len(_find_all(text))


def cut(text: str, tokens: int) -> str:
    """Returns the first `tokens` tokens of `text`, 0 or more; the whole text if it has no more."""
    if tokens >= len(text):
        return text
    found = _first(tokens).match(text)
    return found.group() if found else ""


def estimate_tokens(text: str) -> int:
    """Returns the estimated number of tokens of `text`, in bounded time.

    A text of more than 32,768 characters is estimated from evenly spaced samples.
    """
    if len(text) <= _COUNTED:
        return count(text)
    pieces = _COUNTED // _SAMPLE
    starts = (len(text) * index // pieces for index in range(pieces))
    sampled = sum(count(text[start : start + _SAMPLE]) for start in starts)
    return -(-sampled * len(text) // (pieces * _SAMPLE))


def most_tokens(text: str) -> int:
    """Returns the maximum number of tokens of `text`: its bytes in UTF-8, since a token has at least one byte."""
    return len(text.encode())


def most_of_estimated(tokens: int) -> int:
    """Returns the maximum number of tokens of an operator's text by its estimate: four times as many.

    Prose in the Latin script has about four bytes a token; other scripts have up to three tokens for one counted.
    """
    return 4 * tokens


def messages_tokens(messages: Sequence[ChatMessage]) -> int:
    """Returns the estimated number of tokens of a conversation, in bounded time."""
    texts = [message.content if _is_plain(message) else "".join(_texts(message)) for message in messages]
    media = sum(_media_tokens(part) for message in messages for part in message.parts)
    return media + _PER_MESSAGE * len(texts) + _estimate_all(texts)


def _estimate_all(texts: Sequence[str]) -> int:
    if sum(map(len, texts)) <= _COUNTED:
        return sum(map(count, texts))
    # Sample all together as one text, so that their number does not matter.
    return estimate_tokens("".join(texts))


def most_messages_tokens(messages: Iterable[ChatMessage]) -> int:
    """Returns the maximum number of tokens of a conversation; pictures, documents and sound are estimated."""
    return sum(
        sum(map(most_tokens, _texts(message)))
        + sum(map(_media_tokens, message.parts))
        # Its author reads the hidden reasoning in it once more.
        + len(message.state)
        + _MOST_PER_MESSAGE
        for message in messages
    )


def output_tokens(output: OutputSpec) -> int:
    """Returns the estimated number of tokens that a model reads of tools and of the form of its text."""
    return _estimate_all(list(output_texts(output))) + _PER_MESSAGE * len(output.tools)


def most_output_tokens(output: OutputSpec) -> int:
    """Returns the maximum number of tokens that a model reads of tools and of the form of its text."""
    return sum(map(most_tokens, output_texts(output))) + _MOST_PER_MESSAGE * len(output.tools)


def output_texts(output: OutputSpec) -> Iterator[str]:
    """Yields the texts that a model reads of tools and of the form of its text."""
    for tool in output.tools:
        yield from (tool.name, tool.description, tool.parameters)
    if output.HasField("json_schema"):
        yield from (output.json_schema.description, output.json_schema.schema)


def message_characters(message: ChatMessage) -> int:
    """Returns the characters of a message, each token of its pictures, documents and sound counted as one."""
    if _is_plain(message):
        return len(message.content)
    return sum(map(len, _texts(message))) + sum(map(_media_tokens, message.parts))


def _is_plain(message: ChatMessage) -> bool:
    return not (message.parts or message.tool_calls)


def _texts(message: ChatMessage) -> Iterator[str]:
    yield message.content
    yield from (part.text for part in message.parts if part.text)
    yield from (text for call in message.tool_calls for text in (call.name, call.arguments))


def _media_tokens(part: Part) -> int:
    kind = part.WhichOneof("kind")
    if kind == "image":
        return _IMAGE_TOKENS
    if kind == "file":
        return max(_LEAST_FILE_TOKENS, len(part.file.data) // _FILE_BYTES_PER_TOKEN)
    return max(_LEAST_FILE_TOKENS, len(part.audio.data) // _AUDIO_BYTES_PER_TOKEN) if kind == "audio" else 0


@lru_cache(maxsize=4096)
def _first(tokens: int) -> re.Pattern[str]:
    # Possessive: the search never backtracks into a matched token.
    return re.compile(rf"(?>{_PIECE}){{0,{tokens}}}+")
