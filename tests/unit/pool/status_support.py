"""A candidate's status in few words, as tests write it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lightrouter.pool.choices import State
from lightrouter.pool.status import CandidateStatus, Condition

SINCE = "2026-03-01T00:00:00Z"


def condition(kind: str, holds: bool, reason: str, message: str, since: str = SINCE) -> Condition:
    return Condition(
        type=kind, status="True" if holds else "False", reason=reason, message=message, last_transition_time=since
    )


def held(state: State, reason: str, message: str, *others: Condition, **fields: Any) -> CandidateStatus:
    status = CandidateStatus().moved(state, reason, message, datetime(2026, 3, 1, tzinfo=UTC))
    return status.having(*others, **fields)
