"""Values of enumerations as spans, metrics, logs and people read them; every number has a label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

    Enumeration: TypeAlias = _EnumTypeWrapper[Any]

OTHER: Final = "other"
"""Stands in metrics for what is not known here: a newer service's value, a candidate that is not in the pool."""
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def label(enum: Enumeration, number: int) -> str:
    """Returns a value's name in small letters without the enumeration's own: `SELECTOR_STRATEGY_LLM` is `llm`.

    A number that this version does not know, as a newer service sends it, is `unknown_17`.
    """
    return _names(enum).get(number) or f"unknown_{number}"


def series(enum: Enumeration, number: int) -> str:
    """Returns the label of a value for a metric: `other` for every unknown number, so that nobody can add series."""
    return _names(enum).get(number, OTHER)


@cache
def _names(enum: Enumeration) -> Mapping[int, str]:
    prefix = _WORD.sub("_", enum.DESCRIPTOR.name).upper() + "_"
    return {number: name.removeprefix(prefix).lower() for name, number in enum.items()}
