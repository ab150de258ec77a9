"""Reads and checks the pool file; each fault has file, line and field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from lightrouter.pool.schema import Pool, PoolDocument
from lightrouter.runtime import document, faults

MAX_BYTES: Final = 2**20
"""Maximum bytes of a pool file. A choice: 256 entries take far less."""

MAX_CANDIDATES: Final = 256
"""Maximum candidates of a pool."""

_keys: Final = faults.keys_of(PoolDocument)


class PoolFileError(Exception):
    """A pool file that cannot be used; its text has one line for each fault.

    A line is like `pool.yaml:12: candidates[1].prices.input: must be ...`: the file as given, the line if the fault has
    one, the field if it has one, and what to do about it, without the value, which may be a secret.
    """


def load(path: Path) -> Pool:
    """Reads the pool file.

    Raises:
        PoolFileError: It cannot be read, or its content cannot be used.
    """
    return parse(read(path), path)


def read(path: Path) -> bytes:
    """Returns the file's bytes, at most one more than `MAX_BYTES`.

    Raises:
        PoolFileError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise PoolFileError(f"{path}: cannot be read: {reason}") from None


def parse(data: bytes, path: Path) -> Pool:
    """Returns the pool that `data`, the content of the file `path`, describes.

    Raises:
        PoolFileError: The content cannot be used.
    """
    if len(data) > MAX_BYTES:
        raise PoolFileError(f"{path}: is larger than {MAX_BYTES:,} bytes")
    try:
        parsed = document.parse(data)
    except document.DocumentError as error:
        raise PoolFileError(_fault(path, error.line, error.path, error.message)) from None
    try:
        context = {"folder": path.parent}
        content = PoolDocument.model_validate(parsed.value, context=context, by_alias=False, by_name=True)
        found = list(_contradictions(content))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found = [(detail["loc"], faults.sentence(detail, _keys)) for detail in details]
    if found:
        found.sort(key=lambda fault: parsed.line(fault[0]))
        raise PoolFileError("\n".join(_fault(path, parsed.line(loc), loc, message) for loc, message in found))
    entries = {entry.name: entry for entry in content.candidates}
    return Pool(MappingProxyType(entries), content.judge, content.synthesizer)


def _fault(path: Path, line: int, loc: document.Path, message: str) -> str:
    place = f"{path}:{line}" if line else str(path)
    return ": ".join(part for part in (place, faults.field(loc), message) if part)


def _contradictions(content: PoolDocument) -> Iterator[tuple[document.Path, str]]:
    if not 1 <= len(content.candidates) <= MAX_CANDIDATES:
        yield ("candidates",), f"must hold 1 to {MAX_CANDIDATES} candidates"
    names: set[str] = set()
    for position, entry in enumerate(content.candidates):
        if entry.name in names:
            yield ("candidates", position, "name"), f"is taken: another candidate is named {entry.name} already"
        names.add(entry.name)
        for place, message in entry.prices.contradictions():
            yield ("candidates", position, "prices", *place), message
    for role in ("judge", "synthesizer"):
        name = getattr(content, role)
        if name is not None and name not in names:
            yield (role,), f"must be the name of a candidate of this file{faults.meant(name, names)}"
