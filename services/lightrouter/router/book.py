"""What a route writes down: every model call, the time of each stage, and what was less than it should have been."""

from __future__ import annotations

import time
from collections.abc import Iterable

from lightrouter.router import spans
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import duration, total
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UPSTREAM_TIMEOUT,
    Failure,
)
from lightrouter.v1.ledger_pb2 import (
    STAGE_BOOT,
    STAGE_COMPLETE,
    Degradation,
    DegradedReason,
    Ledger,
    LedgerEntry,
    NotAsked,
    NotAskedReason,
    Stage,
    StageTime,
)

SLOW = frozenset({ERROR_REASON_STRAGGLER, ERROR_REASON_DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT})
"""Reasons of a failure that is only slowness."""


class Book:
    """The record of one route.

    Attributes:
        entries: The model calls, in the order in which they ended.
        degraded: In which ways the answer is less than it should have been.
        stages: The stages that took place, in the order in which they ended.
        staged_s: What they took together, in seconds.
    """

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []
        self.degraded: list[Degradation] = []
        self.stages: list[StageTime] = []
        self.staged_s = 0.0
        self._unpaid: dict[str, Failure] = {}
        self._not_asked: list[NotAsked] = []
        self._retry_after: float | None = None
        self._begun = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the route began."""
        return time.monotonic() - self._begun

    def seconds_to(self, moment: float) -> float:
        """Returns the seconds from the route's begin to a moment of the monotonic clock."""
        return moment - self._begun

    def add(self, entry: LedgerEntry) -> None:
        """Writes down a model call."""
        self.entries.append(entry)

    def extend(self, entries: Iterable[LedgerEntry], degraded: Iterable[Degradation]) -> None:
        """Writes down what another service did for this route."""
        self.entries.extend(entries)
        for each in degraded:
            self.degrade(each.reason, each.message, each.candidate)

    def degrade(self, reason: DegradedReason.ValueType, message: str, candidate: str = "") -> None:
        """Writes down why the answer is less than it should have been, in a sentence."""
        self.degraded.append(Degradation(reason=reason, message=message, candidate=candidate))
        spans.degraded(reason, message, candidate)

    def drop(
        self, reason: DegradedReason.ValueType, message: str, candidate: str, error: ServiceError | None = None
    ) -> None:
        """Writes down why a candidate takes no further part, in a sentence; `error` is how its call failed."""
        self.degraded.append(Degradation(reason=reason, message=message, candidate=candidate))
        spans.dropped(candidate, reason, message, error)

    def not_asked(self, candidate: str, reason: NotAskedReason.ValueType, message: str) -> None:
        """Writes down why a candidate of the pool was not asked, in a sentence."""
        self._not_asked.append(NotAsked(candidate=candidate, reason=reason, message=message))

    def retry_after(self, error: ServiceError) -> None:
        """Remembers when the soonest of the failed candidates may be asked again."""
        if error.retry_after is not None:
            known = self._retry_after
            self._retry_after = error.retry_after if known is None else min(known, error.retry_after)

    def unpaid(self, candidate: str) -> None:
        """Remembers a candidate that showed no text before the cost ceiling ended it."""
        message = f"the cost ceiling pays for no text of {candidate}"
        self._unpaid[candidate] = Failure(reason=ERROR_REASON_EMPTY_OUTPUT, message=message)

    def stage(self, stage: Stage.ValueType, seconds: float) -> None:
        """Writes down that a stage took place."""
        self.staged_s += seconds
        self.stages.append(StageTime(stage=stage, elapsed=duration(seconds)))

    def failures(self) -> dict[str, Failure]:
        """Returns the last failure of each candidate that failed to boot or to complete."""
        stages = (STAGE_BOOT, STAGE_COMPLETE)
        failed = {e.candidate: e.failure for e in self.entries if e.stage in stages and e.HasField("failure")}
        return failed | self._unpaid

    def nobody_left(self, deadline: Deadline) -> ServiceError:
        """Returns the error of a route on which no candidate delivered before `deadline`, the caller's."""
        failures = self.failures()
        reasons = {failure.reason for failure in failures.values()}
        # The adapters give up a moment before the deadline, so that what they say of it still arrives.
        out_of_time = SLOW if deadline.at_hand else {ERROR_REASON_DEADLINE_EXCEEDED}
        if reasons and reasons <= out_of_time:
            return ServiceError(
                Code.DEADLINE_EXCEEDED,
                ERROR_REASON_DEADLINE_EXCEEDED,
                "the deadline passed before any candidate had delivered",
                failures=failures,
            )
        return ServiceError(
            Code.UNAVAILABLE,
            ERROR_REASON_ALL_CANDIDATES_FAILED,
            f"none of {len(failures)} candidates delivered; the details name each failure",
            retry_after=self._retry_after,
            failures=failures,
        )

    def ledger(self) -> Ledger:
        """Returns the ledger up to now."""
        usage, cost = total(self.entries)
        return Ledger(
            entries=self.entries,
            usage=usage,
            cost_nanousd=cost,
            elapsed=duration(self.elapsed_s),
            stages=self.stages,
            not_asked=self._not_asked,
        )
