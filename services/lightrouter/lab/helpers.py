"""Real models beside a recorded pool: one that judges partials, one that merges drafts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.pool import file
from lightrouter.pool.schema import REPLAY, CandidateEntry


class HelpersError(Exception):
    """A pool file whose models cannot help; the text says why, a line each fault."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """Models that are really asked.

    Attributes:
        entries: Their entries; empty where none are configured.
        judge: Name of the one that judges.
        synthesizer: Name of the one that merges.
    """

    entries: Sequence[CandidateEntry] = ()
    judge: str | None = None
    synthesizer: str | None = None


NO_HELPERS: Final = Helpers()
"""No models are configured."""


def load(path: Path | None, recorded: Sequence[str]) -> Helpers:
    """Returns the models of a pool file; its first one judges and merges where it does not say who does.

    Args:
        path: The pool file; None for no models.
        recorded: Names of the recorded candidates, which no helper may have.

    Raises:
        HelpersError: The file cannot be used.
    """
    if path is None:
        return NO_HELPERS
    try:
        pool = file.load(path)
    except file.PoolFileError as error:
        raise HelpersError(str(error)) from None
    entries = list(pool.entries.values())
    for entry in entries:
        if entry.name in recorded:
            raise HelpersError(f"{path}: {entry.name} is the name of a recorded model; give it another")
        if entry.provider == REPLAY:
            raise HelpersError(
                f"{path}: {entry.name} is itself a recording; a judge or synthesizer must be a real model"
            )
    first = entries[0].name
    return Helpers(entries, pool.judge or first, pool.synthesizer or first)
