"""The comparable answer in a text: found by an RE2 pattern or a JSON pointer, a number, or the letter of a choice."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, TypeAlias, cast

import re2

from lightrouter.answers.choices import MOST_CHOICES, answer_letter
from lightrouter.answers.documents import documents
from lightrouter.answers.numbers import answer_number, written
from lightrouter.runtime.errors import invalid
from lightrouter.v1.policy_pb2 import AnswerPattern

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

# A search takes at most five nanoseconds (measured) for each character and instruction of the pattern's program, and
# ten milliseconds in all. Of a longer text only the end is searched, where answers stand.
_MOST_WORK = 2_000_000
_MOST_CHARACTERS = 65_536
# A longer document takes too long to read. A choice.
MOST_DOCUMENT = 262_144
# A longer program would leave too little of a text to search: 2,000 instructions leave 1,000 characters.
_MOST_INSTRUCTIONS = 2_000
# Bytes of memory for a first, short attempt: RE2's own limit lets it compile for a tenth of a second. A choice; 5,000
# instructions fit.
_COMPILED_MEMORY = 128 * 1024
# A pattern that matches often and looks far ahead each time takes longer than its length suggests; it is given up.
_MOST_NANOSECONDS = 10_000_000
# One option is no choice.
_FEWEST_CHOICES = 2


class _Match(Protocol):
    def group(self, index: int) -> str | None: ...


class _Pattern(Protocol):
    groups: int
    programsize: int

    def search(self, text: str) -> object: ...

    def finditer(self, text: str) -> Iterator[_Match]: ...


def check(pattern: AnswerPattern, field: str = "answer_pattern") -> None:
    """Refuses an RE2 pattern that does not compile, or that takes too long to search for.

    Args:
        pattern: The pattern; an unset pattern and a JSON pointer pass.
        field: Path of the pattern in the request, for the error's field.

    Raises:
        ServiceError: INVALID_ARGUMENT for `{field}.re2`, with RE2's reason.
    """
    if pattern.WhichOneof("pattern") != "re2":
        return
    try:
        too_large = _compiled(pattern.re2).programsize > _MOST_INSTRUCTIONS
    except re2.error as error:
        too_large = "pattern too large" in _reason(error)
        if not too_large:
            raise invalid(f"{field}.re2", f"{field}.re2: not an RE2 pattern: {_reason(error)}") from None
    if too_large:
        message = f"{field}.re2: takes too long to search for; use fewer and smaller repetitions like {{0,100}}"
        raise invalid(f"{field}.re2", message)


def extract(text: str, pattern: AnswerPattern | None) -> str | None:
    """Returns the answer in `text`, stripped of surrounding white space.

    The last match of an RE2 pattern counts: its first group, or the whole match if it has no group. The search covers
    the last 65,536 characters, fewer if the pattern is long. A JSON pointer points into the document that the text is,
    or that its last fenced block holds, within the last 262,144 characters; a value that is not a string is returned as
    compact JSON. A number is returned in its shortest exact form, a choice as its capital letter.

    Returns:
        The answer; None if there is no pattern or no match, if the answer is empty or null, or if an RE2 pattern would
        take more than 10 ms.

    Raises:
        re2.error: The pattern does not compile; `check` tells beforehand.
    """
    kind = pattern.WhichOneof("pattern") if pattern else None
    if pattern is None or kind is None:
        return None
    if kind == "number":
        number = answer_number(text)
        return None if number is None else written(number)
    if kind == "choices":
        return answer_letter(text, pattern.choices)
    return _by_re2(text, pattern.re2) if kind == "re2" else _by_pointer(text, pattern.json_pointer)


def matches(text: str, pattern: str) -> bool:
    """Tells whether an RE2 pattern that `check` passed is found in the last 65,536 characters of a text.

    A long pattern is searched for in fewer, so that a search takes about 10 ms at most.
    """
    compiled = _compiled(pattern)
    return compiled.search(text[-_searched(compiled) :]) is not None


def named(text: str) -> AnswerPattern:
    """Returns the pattern that a word stands for: `number`, `choices:N` with 2 to 26 for N, else an RE2 pattern.

    Raises:
        ValueError: N is not a number from 2 to 26.
    """
    kind, colon, count = text.partition(":")
    if text == "number":
        return AnswerPattern(number=True)
    if kind != "choices" or not colon:
        return AnswerPattern(re2=text)
    if not re.fullmatch("[0-9]{1,2}", count) or not _FEWEST_CHOICES <= int(count) <= MOST_CHOICES:
        raise ValueError(f"{text!r}: choices:N takes a number from {_FEWEST_CHOICES} to {MOST_CHOICES}")
    return AnswerPattern(choices=int(count))


def _searched(compiled: _Pattern) -> int:
    return min(_MOST_CHARACTERS, _MOST_WORK // max(1, compiled.programsize))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Pattern:
    options = re2.Options()
    options.log_errors = False
    searching = options.max_mem
    options.max_mem = _COMPILED_MEMORY
    re2.compile(pattern, options)
    options.max_mem = searching
    return cast("_Pattern", re2.compile(pattern, options))


def _reason(error: re2.error) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _by_re2(text: str, pattern: str) -> str | None:
    compiled = _compiled(pattern)
    wanted = 1 if compiled.groups else 0
    found = None
    until = time.thread_time_ns() + _MOST_NANOSECONDS
    for match in compiled.finditer(text[-_searched(compiled) :]):
        found = match.group(wanted) or found
        if time.thread_time_ns() > until:
            return None
    return (found.strip() or None) if found else None


def _by_pointer(text: str, pointer: str) -> str | None:
    for document in documents(text[-MOST_DOCUMENT:]):
        try:
            value = _resolve(cast("Json", json.loads(document)), pointer)
        except (ValueError, RecursionError, LookupError):
            continue
        if value is None:
            return None
        answer = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
        # JSON may escape lone surrogates, which no protobuf string can hold.
        return answer.encode(errors="replace").decode().strip() or None
    return None


def _resolve(document: Json, pointer: str) -> Json:
    """Follows an RFC 6901 pointer; raises LookupError or ValueError if it leads nowhere."""
    value = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and (key == "0" or key[0] != "0"):
            value = value[int(key)]
        else:
            raise LookupError(key)
    return value
