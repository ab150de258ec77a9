"""Reads files of JSON lines: gzip-compressed or not, with or without a byte order mark, with any line ends.

Recordings, prompts and validation sets are all read here. A file's first bytes, not its name, tell its format.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

from pydantic_core import from_json

_Prompt = TypeVar("_Prompt")

MAX_LINE_BYTES: Final = 64 * 2**20
"""Maximum bytes of a line."""
MAX_BYTES: Final = 4 * 2**30
"""Maximum bytes of a file, unpacked."""

# A choice: enough to find the key.
_LONGEST_KEY: Final = 64
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
# First bytes of unsupported formats, and what to do about them.
_OTHERS: Final = {
    b"\xff\xfe": "is UTF-16, save it as UTF-8",
    b"\xfe\xff": "is UTF-16, save it as UTF-8",
    _GZIP: "is compressed twice, unpack it once",
    b"PK\x03\x04": "is a zip archive, unpack it first",
    b"BZh": "is compressed with bzip2, unpack it or use gzip",
    b"\xfd7zXZ": "is compressed with xz, unpack it or use gzip",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd, unpack it or use gzip",
}
# Deflate reaches 1:1032; ordinary text, even repeated, stays far below that.
_MOST_RATIO: Final = 200
_UNSUSPICIOUS_BYTES: Final = 16 * 2**20


class LinesError(Exception):
    """A file that cannot be read, or a line that is not JSON.

    Attributes:
        line: The invalid line, from 1; 0 for the whole file.
        message: What is wrong, without the file's name.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class FaultsError(Exception):
    """Faults of a line or of a file, one sentence each."""

    def __init__(self, found: Sequence[str]) -> None:
        super().__init__("\n".join(found))
        self.faults = found


def read(path: Path, most_bytes: int = MAX_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yields number, from 1, and bytes of each line of a file, except blank ones.

    Raises:
        LinesError: It cannot be read, is damaged, or is larger than `most_bytes`, unpacked.
    """
    try:
        with path.open("rb") as file:
            yield from _lines(file, path.stat().st_size, most_bytes)
    except OSError as error:
        raise LinesError(f"cannot be read: {error.strerror or error}") from None


def prompts(
    raw: Iterable[tuple[int, bytes]], name: str, one: Callable[[int, bytes], tuple[str, _Prompt]]
) -> list[_Prompt]:
    """Returns the prompts of numbered lines, each with an id of its own.

    Args:
        raw: The lines.
        name: The file's name, with which each fault begins.
        one: Returns a line's id and its prompt; raises LinesError or FaultsError.

    Raises:
        FaultsError: They cannot be used; damage to the file is named alone.
    """
    found: dict[str, tuple[int, _Prompt]] = {}
    said: list[str] = []
    try:
        for number, line in raw:
            try:
                key, prompt = one(number, line)
                first, _ = found.setdefault(key, (number, prompt))
                if first != number:
                    raise FaultsError([f"id: is taken by the prompt of line {first}"])
            except FaultsError as error:
                said += [f"{name}:{number}: {fault}" for fault in error.faults]
            except LinesError as error:
                said.append(f"{name}:{number}: {error.message}")
    except LinesError as error:
        said = [*said, f"{name}:{error.line}: {error.message}"] if error.line else [f"{name}: {error.message}"]
    if not found and not said:
        said = [f"{name}: holds no prompt"]
    if said:
        raise FaultsError(said)
    return [prompt for _, prompt in found.values()]


def parse(line: bytes) -> object:
    """Returns the JSON value of a line.

    Raises:
        LinesError: It is not JSON, or an object in it has a key twice.
    """
    try:
        found: object = from_json(line, allow_inf_nan=False)
    except ValueError as error:
        raise LinesError(f"is not JSON: {str(error).partition(' at line')[0]}") from None
    once(line)
    return found


def once(line: bytes) -> None:
    """Checks that no object of a JSON line has a key twice: one of the two values would be lost silently.

    Raises:
        LinesError: One has.
    """
    try:
        # Numbers stay text, so that none is too long.
        json.loads(line, object_pairs_hook=_object, parse_int=str, parse_float=str)
    except _TwiceError as error:
        raise LinesError(f"has the key {error.key[:_LONGEST_KEY]!r} twice in one object; keep one") from None
    except RecursionError:
        raise LinesError("is nested too deeply") from None


class _TwiceError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


def _object(pairs: list[tuple[str, object]]) -> object:
    if len(dict(pairs)) < len(pairs):
        raise _TwiceError(next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1))
    # The object's members have been checked already.
    return None


def _lines(file: IO[bytes], size: int, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    begin = file.read(8)
    file.seek(0)
    if not begin.startswith(_GZIP):
        yield from _bounded(file, most_bytes)
        return
    most = min(most_bytes, max(_UNSUSPICIOUS_BYTES, _MOST_RATIO * size))
    number = 0
    try:
        with gzip.open(file) as unpacked:
            for number, line in _bounded(unpacked, most):
                yield number, line
    except EOFError:
        raise LinesError(_damaged("it ends too early", number)) from None
    except gzip.BadGzipFile as error:
        checked = "CRC" in str(error) or "length" in str(error)
        raise LinesError(_damaged("its checksum is wrong" if checked else "it has other bytes in it", number)) from None
    except zlib.error:
        raise LinesError(_damaged("its data is broken", number)) from None


def _bounded(file: IO[bytes] | gzip.GzipFile, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    total = number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        total += len(line)
        if total > most_bytes:
            raise LinesError(f"is larger than {most_bytes:,} bytes, unpacked", number)
        if len(line) > MAX_LINE_BYTES:
            raise LinesError(f"is longer than {MAX_LINE_BYTES:,} bytes", number)
        if number == 1:
            _refuse_other(line)
            line = line.removeprefix(_BOM)
        if stripped := line.strip():
            yield number, stripped


def _refuse_other(line: bytes) -> None:
    """Refuses text that is not UTF-8, by the first line of a file, unpacked."""
    for start, what in _OTHERS.items():
        if line.startswith(start):
            raise LinesError(what)
    if b"\0" in line:
        raise LinesError("holds zero bytes: it is not text, or it is UTF-16; save it as UTF-8")


def _damaged(why: str, number: int) -> str:
    whole = f" after line {number}" if number else ""
    return f"cannot be read: the gzip data is damaged{whole}: {why}; get the file again"
