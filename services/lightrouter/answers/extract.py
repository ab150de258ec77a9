"""The comparable answer in a text, found by an RE2 pattern or a JSON pointer."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Protocol, TypeAlias, cast

import re2

from lightrouter.runtime.errors import invalid
from lightrouter.v1.policy_pb2 import AnswerPattern

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_FENCE = re2.compile(r"(?s)```[^\n`]*\n(.*?)```")
# What stands around an answer without being part of it: quotes, brackets, Markdown, TeX and closing punctuation.
_AROUND = " \t\r\n.,;:!?\"'`*_$()[]{}“”\u2018\u2019«»"
_LONGEST_NUMBER = 64


class _Match(Protocol):
    def group(self, index: int) -> str | None: ...


class _Pattern(Protocol):
    groups: int

    def finditer(self, text: str) -> list[_Match]: ...


def check(pattern: AnswerPattern, field: str = "answer_pattern") -> None:
    """Refuses an RE2 pattern that does not compile.

    Args:
        pattern: The pattern; one that is not set, or a JSON pointer, passes.
        field: Path of the pattern in the request, for the error's field.

    Raises:
        ServiceError: INVALID_ARGUMENT for `{field}.re2`, with RE2's reason.
    """
    if pattern.WhichOneof("pattern") != "re2":
        return
    try:
        _compiled(pattern.re2)
    except re2.error as error:
        raise invalid(f"{field}.re2", f"{field}.re2: not an RE2 pattern: {_reason(error)}") from None


def extract(text: str, pattern: AnswerPattern | None) -> str | None:
    """Returns the answer in `text`, stripped of surrounding white space.

    The last match of an RE2 pattern counts, of it the first group, or the whole where it has none. A JSON pointer
    goes into the document that the text is, or that its last fenced block holds; what is no string there is returned
    as compact JSON.

    Returns:
        The answer; None where there is no pattern, no match, or where the answer is empty or null.

    Raises:
        re2.error: The pattern does not compile; `check` tells beforehand.
    """
    kind = pattern.WhichOneof("pattern") if pattern else None
    if pattern is None or kind is None:
        return None
    return _by_re2(text, pattern.re2) if kind == "re2" else _by_pointer(text, pattern.json_pointer)


def canonical(answer: str) -> str:
    """Returns the form under which equal answers are equal: case, white space, punctuation around it and zeros gone."""
    stripped = " ".join(answer.split()).strip(_AROUND)
    if not stripped:
        return answer.strip()
    if len(stripped) <= _LONGEST_NUMBER and stripped[-1].isdigit():
        try:
            number = Decimal(stripped.replace(",", "") if _grouped(stripped) else stripped)
        except InvalidOperation:
            return stripped.casefold()
        return format(number.normalize(), "f") if number.is_finite() and abs(number.adjusted()) < 32 else stripped
    return stripped.casefold()


def documents(text: str) -> list[str]:
    """Returns what of `text` may be a JSON document: the whole, then the last fenced block where there is one."""
    blocks = cast("list[str]", _FENCE.findall(text)) if "```" in text else []
    return [text, *blocks[-1:]]


def _grouped(number: str) -> bool:
    head, *groups = number.partition(".")[0].split(",")
    return bool(groups) and 1 <= len(head.lstrip("+-")) <= 3 and all(len(group) == 3 for group in groups)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> _Pattern:
    options = re2.Options()
    options.log_errors = False
    return cast("_Pattern", re2.compile(pattern, options))


def _reason(error: re2.error) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _by_re2(text: str, pattern: str) -> str | None:
    compiled = _compiled(pattern)
    wanted = 1 if compiled.groups else 0
    found = None
    for match in compiled.finditer(text):
        found = match.group(wanted) or found
    return (found.strip() or None) if found else None


def _by_pointer(text: str, pointer: str) -> str | None:
    for document in documents(text):
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
    """Follows an RFC 6901 pointer; raises LookupError or ValueError where it leads nowhere."""
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
