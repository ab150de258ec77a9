"""Values of enumerations as spans, metrics and logs have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lightrouter.v1.candidate_pb2 import CandidateState
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import DegradedReason, Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, SelectorStrategy
from lightrouter.v1.router_pb2 import SelectionReason

OTHER: Final = "other"
"""Stands for what is not known here: a value of a newer service's, a candidate that is not in the pool."""


def small(values: Iterable[tuple[str, int]], prefix: str) -> dict[int, str]:
    """Returns the names of an enumeration's items by their numbers, in small letters and without `prefix`."""
    return {number: name.removeprefix(prefix).lower() for name, number in values}


STAGES: Final = small(Stage.items(), "STAGE_")
"""The stages: boot, select, complete, aggregate and what is outside of them."""
ERRORS: Final = {number: name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items()}
"""The reasons of errors, in capitals as google.rpc.ErrorInfo has them."""
DEGRADED: Final = small(DegradedReason.items(), "DEGRADED_REASON_")
"""The reasons of an answer that is less than it should be."""
SELECTORS: Final = small(SelectorStrategy.items(), "SELECTOR_STRATEGY_")
"""The selector's strategies."""
AGGREGATORS: Final = small(AggregatorStrategy.items(), "AGGREGATOR_STRATEGY_")
"""The aggregator's strategies."""
SELECTION_REASONS: Final = small(SelectionReason.items(), "SELECTION_REASON_")
"""Why so many candidates go on."""
CANDIDATE_STATES: Final = small(CandidateState.items(), "CANDIDATE_STATE_")
"""The states of a candidate."""
