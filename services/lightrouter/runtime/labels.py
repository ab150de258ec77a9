"""Values of enumerations as spans, metrics and logs have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

OTHER: Final = "other"
"""Stands for what is not known here: a value of a newer service's, a candidate that is not in the pool."""


def small(values: Iterable[tuple[str, int]], prefix: str) -> dict[int, str]:
    """Returns the names of an enumeration's items by their numbers, in small letters and without `prefix`."""
    return {number: name.removeprefix(prefix).lower() for name, number in values}


STAGES: Final = small(Stage.items(), "STAGE_")
"""The stages: boot, select, complete, aggregate and what is outside of them."""
ERRORS: Final = {number: name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items()}
"""The reasons of errors, in capitals as google.rpc.ErrorInfo has them."""
