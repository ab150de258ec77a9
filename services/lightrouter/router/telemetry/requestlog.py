"""One log line for every route: how it ended, its duration and its cost."""

from __future__ import annotations

import logging

from lightrouter.router.telemetry.observers import Outcome, RouteRecord
from lightrouter.runtime.enums import label
from lightrouter.runtime.errors import reason_name
from lightrouter.runtime.ledger import total
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.router_pb2 import SelectionReason

_log = logging.getLogger(__name__)
# The level `warning` shows every degraded answer, `error` every route without an answer.
_LEVELS = {Outcome.DEGRADED: logging.WARNING, Outcome.FAILED: logging.ERROR}


class RequestLog:
    """Writes the line; an `Observer`. The line has no text of a prompt or an answer."""

    def started(self) -> None:
        """Writes nothing; the line is written at the end."""

    def ended(self, record: RouteRecord) -> None:
        """Writes the line of a route that has ended: a sentence, and the same facts as fields."""
        level = _LEVELS.get(record.outcome, logging.INFO)
        if _log.isEnabledFor(level):
            _log.log(level, "%s", _sentence(record), extra=_fields(record))


def _sentence(record: RouteRecord) -> str:
    usage, cost = total(record.ledger.entries)
    answer = record.answer
    why = f" ({reason_name(record.error)})" if answer is None else ""
    whose = "" if answer is None else f" by {', '.join(answer.candidates)}"
    degraded = f", degraded: {', '.join(_degraded(record))}" if record.ledger.degraded else ""
    return (
        f"route {record.outcome.value}{why} in {record.ledger.elapsed_s:.3f} s{whose}: "
        f"{len(record.ledger.entries)} calls, {usage.input_tokens} tokens read, "
        f"{usage.output_tokens} written, {cost} nano-dollars{degraded}"
    )


def _fields(record: RouteRecord) -> dict[str, object]:
    entries = record.ledger.entries
    usage, cost = total(entries)
    fields: dict[str, object] = {
        "route_id": record.route_id,
        "outcome": record.outcome.value,
        "elapsed_s": round(record.ledger.elapsed_s, 6),
        "calls": len(entries),
        "failed_calls": sum(entry.HasField("failure") for entry in entries),
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_nanousd": cost,
        "booted": [boot.candidate.name for boot in record.boots],
    }
    if record.caller:
        fields["caller"] = record.caller
    if record.selection is not None:
        fields["chosen"] = list(record.selection.chosen)
        fields["selector"] = label(SelectorStrategy, record.selection.strategy)
        fields["selection_reason"] = label(SelectionReason, record.selection.reason)
    if record.ledger.degraded:
        fields["degraded"] = _degraded(record)
    if record.answer is None:
        fields["error"] = reason_name(record.error)
    if record.first_text_s is not None:
        fields["first_text_s"] = round(record.first_text_s, 6)
    return fields


def _degraded(record: RouteRecord) -> list[str]:
    return sorted({label(DegradedReason, degradation.reason) for degradation in record.ledger.degraded})
