"""JSON in one canonical form (RFC 8785), and the complete part of JSON that was cut off."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, Final

# A choice: answers nest a few levels deep, and the reader is recursive.
_MOST_DEPTH: Final = 64
# A number that the text ends in, or may.
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)?(?:(?<=\d)\.\d*)?(?:(?<=\d)[eE][+-]?\d*)?")


def canonical_json(value: Any) -> str:
    """Returns a JSON value in the canonical form of RFC 8785: equal values have equal texts.

    An integer beyond 2^53, which the RFC leaves out, keeps all of its digits.

    Raises:
        ValueError: It nests too deeply, or has a number that is not finite.
    """
    return _written(value, _MOST_DEPTH)


def _written(value: Any, depth: int) -> str:
    if not depth:
        raise ValueError("nests too deeply")
    if isinstance(value, dict):
        # Keys are in the order of their UTF-16 code units.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_string(key)}:{_written(value[key], depth - 1)}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(each, depth - 1) for each in value) + "]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """Returns a number as ECMAScript writes it."""
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    digits, _, exponent = repr(value).partition("e")
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    return f"{digits}e{int(exponent):+d}" if value else "0"


class NoJsonError(ValueError):
    """A text is not even the beginning of JSON."""


def begun_json(text: str) -> Any:
    """Returns the value that a text begins: with the members and items of it that are complete.

    An object that was cut off lacks its last member, unless that has a complete value. Returns None for a text that is
    empty, or whose value is a scalar that may go on.

    Raises:
        NoJsonError: The text is no JSON, and no text behind it makes it JSON.
    """
    reader = _Reader(text)
    value = reader.value(_MOST_DEPTH)
    if reader.rest().strip():
        raise NoJsonError
    return None if value is _CUT else value


_CUT: Final = object()
_scan: Final = json.JSONDecoder().raw_decode
_LITERALS: Final = ("true", "false", "null")


class _Reader:
    """Reads a text from its start; `_CUT` stands for a value that is not complete."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :]

    def value(self, depth: int) -> Any:
        self._skip_blanks()
        mark = self._text[self._at : self._at + 1]
        if not mark:
            return _CUT
        if not depth:
            raise NoJsonError
        if mark == "{":
            return self._object(depth - 1)
        if mark == "[":
            return self._array(depth - 1)
        return self._scalar(mark)

    def _object(self, depth: int) -> Any:
        found: dict[str, Any] = {}
        self._at += 1
        while True:
            self._skip_blanks()
            if self._takes("}"):
                return found
            if not self._mark():
                return found
            if self._mark() != '"':
                raise NoJsonError
            key = self._scalar('"')
            self._skip_blanks()
            if key is _CUT or not self._mark():
                return found
            if not self._takes(":"):
                raise NoJsonError
            value = self.value(depth)
            if value is not _CUT:
                found[key] = value
            if not self._goes_on("}"):
                return found

    def _array(self, depth: int) -> Any:
        found: list[Any] = []
        self._at += 1
        self._skip_blanks()
        if self._takes("]"):
            return found
        while True:
            value = self.value(depth)
            if value is not _CUT:
                found.append(value)
            if not self._goes_on("]"):
                return found

    def _goes_on(self, end: str) -> bool:
        """Returns whether another member or item follows."""
        self._skip_blanks()
        if not self._mark() or self._takes(end):
            return False
        if not self._takes(","):
            raise NoJsonError
        self._skip_blanks()
        if self._mark() == end:
            raise NoJsonError
        return bool(self._mark())

    def _scalar(self, mark: str) -> Any:
        rest = self.rest()
        number = _NUMBER.match(rest)
        if number and number.group() == rest:
            # It may go on.
            self._at = len(self._text)
            return _CUT
        try:
            value, length = _scan(rest)
        except ValueError:
            if not (any(word.startswith(rest) for word in _LITERALS) or (mark == '"' and _is_cut(rest))):
                raise NoJsonError from None
            self._at = len(self._text)
            return _CUT
        self._at += length
        return value

    def _skip_blanks(self) -> None:
        while self._text[self._at : self._at + 1] in {" ", "\t", "\n", "\r"}:
            self._at += 1

    def _mark(self) -> str:
        return self._text[self._at : self._at + 1]

    def _takes(self, mark: str) -> bool:
        if self._mark() != mark:
            return False
        self._at += 1
        return True


def _is_cut(rest: str) -> bool:
    """Returns whether a string that does not parse only lacks its end."""
    for end in ('"', '\\"', *(digits + '"' for digits in ("0000", "000", "00", "0", "u0000"))):
        try:
            _scan(rest + end)
        except ValueError:
            continue
        return True
    return False
