"""What a route writes down: every model call, the time of each stage, and what was less than it should have been."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import duration, total
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_INVALID_REQUEST,
    ERROR_REASON_NOT_RECORDED,
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_REQUEST_TOO_LARGE,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_REJECTED,
    ERROR_REASON_UPSTREAM_TIMEOUT,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
    ERROR_REASON_WRONG_CANDIDATE,
    Failure,
)
from lightrouter.v1.ledger_pb2 import (
    NOT_ASKED_REASON_NOT_SERVING,
    NOT_ASKED_REASON_RESTING,
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

REQUEST_FAULTS = frozenset(
    {
        ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
        ERROR_REASON_INVALID_REQUEST,
        ERROR_REASON_NOT_RECORDED,
        ERROR_REASON_REQUEST_TOO_LARGE,
        ERROR_REASON_UPSTREAM_REJECTED,
    }
)
"""Reasons of a failure that lies in the request, and says nothing of the candidate's health."""

# Failures that the same request meets again, until somebody changes it or the candidate's entry.
_REFUSALS = REQUEST_FAULTS | {
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
    ERROR_REASON_WRONG_CANDIDATE,
}

_AS_FAILURES = {
    NOT_ASKED_REASON_NOT_SERVING: ERROR_REASON_UPSTREAM_UNAVAILABLE,
    NOT_ASKED_REASON_RESTING: ERROR_REASON_UPSTREAM_RATE_LIMITED,
}


class RouteLedger:
    """The record of one route.

    Attributes:
        entries: The model calls, in the order in which they ended.
        degraded: In which ways the answer is less than it should have been.
        stages: The stages that took place, in the order in which they ended.
        staged_s: What they took together, in seconds.
        resorts: Names of the candidates that were asked as a last resort, in their order.
        waits: Seconds after which a candidate may be asked again, by name, for those whose last failure said so.
    """

    def __init__(
        self,
        on_failure: Callable[[str, ServiceError], None] = lambda _candidate, _error: None,
        on_degraded: Callable[[Degradation], None] = lambda _: None,
        on_dropped: Callable[[Degradation, ServiceError | None], None] = lambda _degradation, _error: None,
    ) -> None:
        """Starts an empty ledger.

        Args:
            on_failure: Is told of each candidate whose call failed, and how.
            on_degraded: Is told of each degradation of the answer.
            on_dropped: Is told of each candidate that takes no further part, and how its call failed.
        """
        self.entries: list[LedgerEntry] = []
        self.degraded: list[Degradation] = []
        self.stages: list[StageTime] = []
        self.staged_s = 0.0
        self._unpaid: dict[str, Failure] = {}
        self.last_resorts: list[str] = []
        self.waits: dict[str, float] = {}
        self._not_asked: dict[str, NotAsked] = {}
        self._on_failure = on_failure
        self._on_degraded = on_degraded
        self._on_dropped = on_dropped
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
        degradation = Degradation(reason=reason, message=message, candidate=candidate)
        self.degraded.append(degradation)
        self._on_degraded(degradation)

    def drop(
        self, reason: DegradedReason.ValueType, message: str, candidate: str, error: ServiceError | None = None
    ) -> None:
        """Writes down why a candidate takes no further part, in a sentence; `error` is how its call failed."""
        degradation = Degradation(reason=reason, message=message, candidate=candidate)
        self.degraded.append(degradation)
        self._on_dropped(degradation, error)

    def not_asked(self, candidate: str, reason: NotAskedReason.ValueType, message: str) -> None:
        """Writes down why a candidate of the pool was not asked, in a sentence."""
        self._not_asked[candidate] = NotAsked(candidate=candidate, reason=reason, message=message)

    def add_last_resort(self, candidate: str) -> None:
        """Writes down that a candidate is asked after all, as a last resort."""
        self.last_resorts.append(candidate)
        self._not_asked.pop(candidate, None)

    def failed(self, candidate: str, error: ServiceError) -> None:
        """Remembers how a candidate's call failed, and when it may be asked again."""
        self.waits.pop(candidate, None)
        if error.retry_after is not None:
            self.waits[candidate] = error.retry_after
        self._on_failure(candidate, error)

    def unpaid(self, candidate: str) -> None:
        """Remembers a candidate that showed no text before the cost ceiling ended it."""
        message = f"the cost ceiling pays for no text of {candidate}"
        self._unpaid[candidate] = Failure(reason=ERROR_REASON_EMPTY_OUTPUT, message=message)

    def stage(self, stage: Stage.ValueType, seconds: float) -> None:
        """Writes down that a stage took place."""
        self.staged_s += seconds
        self.stages.append(StageTime(stage=stage, elapsed=duration(seconds)))

    def failures(self) -> dict[str, Failure]:
        """Returns the failure of each candidate whose last call, to boot or to complete, failed."""
        stages = (STAGE_BOOT, STAGE_COMPLETE)
        last = {each.candidate: each for each in self.entries if each.stage in stages}
        failed = {name: each.failure for name, each in last.items() if each.HasField("failure")}
        return failed | self._unpaid

    def _unavailable(self) -> dict[str, Failure]:
        """Returns why those cannot deliver now that were not even asked for it."""
        return {
            name: Failure(reason=_AS_FAILURES[each.reason], message=each.message)
            for name, each in self._not_asked.items()
            if each.reason in _AS_FAILURES
        }

    def nobody_left(self, deadline: Deadline) -> ServiceError:
        """Returns the error of a route on which no candidate delivered before `deadline`, the caller's."""
        failures = self._unavailable() | self.failures()
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
        if reasons and reasons <= _REFUSALS:
            return ServiceError(
                Code.FAILED_PRECONDITION,
                ERROR_REASON_ALL_CANDIDATES_FAILED,
                f"all of {len(failures)} candidates refused, and would again; the details say what each wants changed",
                failures=failures,
            )
        return ServiceError(
            Code.UNAVAILABLE,
            ERROR_REASON_ALL_CANDIDATES_FAILED,
            f"none of {len(failures)} candidates delivered; the details name each failure",
            retry_after=min(self.waits.values(), default=None),
            failures=failures,
        )

    def to_proto(self) -> Ledger:
        """Returns the ledger up to now."""
        usage, cost = total(self.entries)
        return Ledger(
            entries=self.entries,
            usage=usage,
            cost_nanousd=cost,
            elapsed=duration(self.elapsed_s),
            stages=self.stages,
            not_asked=self._not_asked.values(),
        )
