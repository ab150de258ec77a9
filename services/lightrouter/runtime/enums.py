"""The words for the values of the protos' enumerations, for spans, metrics, logs, settings and people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

    Enumeration: TypeAlias = _EnumTypeWrapper[Any]

_Value = TypeVar("_Value", bound=int)
OTHER: Final = "other"
"""The label in metrics for unknown things: a value of a newer service, a candidate that is not in the pool."""
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def label(enum: Enumeration, number: int) -> str:
    """Returns the name of a value in lower case without its prefix: `SELECTOR_STRATEGY_LLM` is `llm`.

    A number that only a newer version knows has a label too, for example `unknown_17`.
    """
    return _names(enum).get(number) or f"unknown_{number}"


def series(enum: Enumeration, number: int) -> str:
    """Returns the label of a value for a metric; `other` for an unknown number, so that no caller can add series."""
    return _names(enum).get(number, OTHER)


def value(enum: _EnumTypeWrapper[_Value], word: str) -> _Value:
    """Returns the value of a label, the inverse of `label`: of the roles, `user` is `ROLE_USER`.

    Raises:
        KeyError: The enumeration has no such value.
    """
    return cast("_Value", _values(enum)[word])


def labels(enum: Enumeration) -> list[str]:
    """Returns the labels of all values but the unspecified one, in the order of their numbers."""
    return [name for number, name in sorted(_names(enum).items()) if number]


@cache
def _values(enum: Enumeration) -> Mapping[str, int]:
    return {name: number for number, name in _names(enum).items()}


@cache
def _names(enum: Enumeration) -> Mapping[int, str]:
    prefix = _WORD.sub("_", enum.DESCRIPTOR.name).upper() + "_"
    return {number: name.removeprefix(prefix).lower() for name, number in enum.items()}
