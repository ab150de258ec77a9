"""Reads and checks the pool file; each fault has file, line and field."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ValidationError

from lightrouter.pool.schema import (
    PROVIDERS,
    CandidateEntry,
    Circuit,
    Limits,
    Pool,
    PoolDocument,
    PriceList,
    SamplingDefaults,
)
from lightrouter.runtime import document, faults

MAX_BYTES: Final = 2**20
"""Maximum bytes of a pool file. A choice: 256 entries take far less."""

MAX_CANDIDATES: Final = 256
"""Maximum candidates of a pool."""

_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "candidates": CandidateEntry,
    "sampling": SamplingDefaults,
    "prices": PriceList,
    "limits": Limits,
    "circuit": Circuit,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a pool file.

    Attributes:
        file: The file's path, as given.
        line: The line, from 1; 0 if the fault is of the whole file.
        field: The value's path like `candidates[1].prices.input`; empty if the fault is of the whole document.
        message: What to do about it, without the value, which may be a secret.
    """

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """Returns `pool.yaml:12: candidates[1].prices.input: must be ...`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.field, self.message) if part)


class PoolFileError(Exception):
    """A pool file that cannot be used; its text has one line for each fault.

    Attributes:
        faults: The faults, at least one, by line.
    """

    def __init__(self, faults: Collection[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def load(path: Path, providers: Collection[str] = PROVIDERS) -> Pool:
    """Reads the pool file.

    Raises:
        PoolFileError: It cannot be read, or its content cannot be used.
    """
    return parse(read(path), path, providers)


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
        raise PoolFileError([Fault(str(path), 0, "", f"cannot be read: {reason}")]) from None


def parse(data: bytes, path: Path, providers: Collection[str] = PROVIDERS) -> Pool:
    """Returns the pool that `data`, the content of the file `path`, describes.

    Raises:
        PoolFileError: The content cannot be used.
    """
    if len(data) > MAX_BYTES:
        raise PoolFileError([Fault(str(path), 0, "", f"is larger than {MAX_BYTES:,} bytes")])
    try:
        parsed = document.parse(data)
    except document.DocumentError as error:
        raise PoolFileError([Fault(str(path), error.line, faults.field(error.path), error.message)]) from None
    try:
        context = {"providers": providers, "folder": path.parent}
        content = PoolDocument.model_validate(parsed.value, context=context, by_alias=False, by_name=True)
        found = list(_contradictions(content))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found = [(detail["loc"], faults.sentence(detail, _keys)) for detail in details]
    if found:
        raise PoolFileError([Fault(str(path), parsed.line(loc), faults.field(loc), message) for loc, message in found])
    entries = {entry.name: entry for entry in content.candidates}
    return Pool(MappingProxyType(entries), content.judge, content.synthesizer)


def _contradictions(content: PoolDocument) -> Iterator[tuple[document.Path, str]]:
    if not 1 <= len(content.candidates) <= MAX_CANDIDATES:
        yield ("candidates",), f"must hold 1 to {MAX_CANDIDATES} candidates"
    names: set[str] = set()
    for position, entry in enumerate(content.candidates):
        if entry.name in names:
            yield ("candidates", position, "name"), f"is taken: another candidate is named {entry.name} already"
        names.add(entry.name)
    for role in ("judge", "synthesizer"):
        name = getattr(content, role)
        if name is not None and name not in names:
            yield (role,), f"must be the name of a candidate of this file{faults.meant(name, names)}"


def _keys(loc: tuple[str | int, ...]) -> Collection[str]:
    section = next((part for part in reversed(loc) if isinstance(part, str)), "")
    return _SECTIONS.get(section, PoolDocument).model_fields
