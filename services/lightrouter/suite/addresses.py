"""The addresses of adapters in this process."""

from __future__ import annotations

from typing import Final

_SCHEME: Final = "in-process:"
TEMPLATE: Final = _SCHEME + "{name}"
"""The address of the adapter of a candidate; {name} stands for its name. gRPC has no such scheme."""


def is_here(address: str) -> bool:
    """Returns whether the adapter at `address` is in this process."""
    return address.startswith(_SCHEME)


def candidate_at(address: str) -> str:
    """Returns the candidate whose adapter is at `address` in this process."""
    return address.removeprefix(_SCHEME)
