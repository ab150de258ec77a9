"""Reads what a judge replied, and says what is wrong with it where it cannot be read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from lightrouter.selector.prompts import MOST_POINTS

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_MOST_CHARACTERS = 100_000
_MOST_OBJECTS = 64


class Points(NamedTuple):
    """A judge's opinion of one partial, 0 to 1 each."""

    consistency: float
    correctness: float


class UnreadableError(Exception):
    """A reply is no verdict; its text says why in a few words, none of them the judge's."""


def parse(reply: str, labels: Sequence[str]) -> dict[str, Points]:
    """Returns the points by label from the last JSON object of a reply that is a whole verdict.

    Prose and code fences around it do no harm; in the object itself nothing may be missing, repeated, beyond the
    scale, or about a label that does not exist.

    Raises:
        UnreadableError: There is no such object.
    """
    fault: UnreadableError | None = None
    found: dict[str, Points] | None = None
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    end = 0
    for _ in range(_MOST_OBJECTS):
        begin = reply.find("{", end, _MOST_CHARACTERS)
        if begin < 0:
            break
        end = begin + 1
        try:
            document, end = decoder.raw_decode(reply, begin)
            found = _verdict(document, labels)
        except UnreadableError as error:
            fault = fault or error
        except (ValueError, RecursionError):
            fault = fault or UnreadableError("its JSON is broken")
    if found is None:
        raise fault or UnreadableError("it holds no JSON object")
    return found


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise UnreadableError("a key is repeated")
    return unique


def _verdict(document: Json, labels: Sequence[str]) -> dict[str, Points]:
    if not isinstance(document, dict) or set(document) - set(labels):
        raise UnreadableError("it has keys that are no answer's letter")
    missing = [label for label in labels if label not in document]
    if missing:
        raise UnreadableError(f"it lacks {', '.join(missing)}")
    return {label: _points(label, document[label]) for label in labels}


def _points(label: str, value: Json) -> Points:
    if not isinstance(value, dict):
        raise UnreadableError(f"the value of {label} is no object")
    return Points(_share(label, value, "consistency"), _share(label, value, "correctness"))


def _share(label: str, value: dict[str, Json], scale: str) -> float:
    number = value.get(scale)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise UnreadableError(f"{scale} of {label} is no number")
    if not 0 <= number <= MOST_POINTS:
        raise UnreadableError(f"{scale} of {label} is not within 0 to {MOST_POINTS}")
    return number / MOST_POINTS
