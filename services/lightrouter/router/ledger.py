"""Records one route: its model calls, stage durations and degradations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import SLOW, duration, total
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_INVALID_REQUEST,
    ERROR_REASON_NOT_RECORDED,
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_REQUEST_TOO_LARGE,
    ERROR_REASON_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_REJECTED,
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
    STAGE_UNSPECIFIED,
    Degradation,
    DegradedReason,
    Ledger,
    LedgerEntry,
    NotAsked,
    NotAskedReason,
    Stage,
    StageTime,
)

REQUEST_FAULTS = frozenset(
    {
        ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
        ERROR_REASON_INVALID_REQUEST,
        ERROR_REASON_NOT_RECORDED,
        ERROR_REASON_REQUEST_TOO_LARGE,
        ERROR_REASON_UPSTREAM_REJECTED,
    }
)
"""Reasons of failures that the request causes; they say nothing about the candidate's health."""

# Reasons of failures that repeat until the caller changes the request or the operator the candidate's entry.
_REFUSALS = REQUEST_FAULTS | {
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
    ERROR_REASON_WRONG_CANDIDATE,
}

# Reasons of failures after which the next call, whatever it asks for, would probably fail too. A text that is late,
# empty or malformed says nothing of the next one.
_DECLINES = _REFUSALS | {
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
}

_AS_FAILURES = {
    NOT_ASKED_REASON_NOT_SERVING: ERROR_REASON_UPSTREAM_UNAVAILABLE,
    NOT_ASKED_REASON_RESTING: ERROR_REASON_UPSTREAM_RATE_LIMITED,
}


class RouteLedger:
    """The record of one route.

    Attributes:
        entries: The model calls, in the order in which they ended.
        degraded: The degradations, in their order.
        stages: The stages that took place, in the order in which they ended.
        stage: The stage that runs now; unspecified outside of the stages.
        staged_s: Duration of all stages together, in seconds.
        resorts: Names of the candidates that were asked as a last resort, in their order.
        doubtful_last_resorts: Number of these that were asked although they probably could not deliver.
        waits: Seconds after which a candidate may be asked again, by name, if its last failure said so.
    """

    def __init__(
        self,
        on_failure: Callable[[str, ServiceError], None] = lambda _candidate, _error: None,
        on_degraded: Callable[[Degradation], None] = lambda _: None,
        on_dropped: Callable[[Degradation, ServiceError | None], None] = lambda _degradation, _error: None,
        pause: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        """Starts an empty ledger.

        Args:
            on_failure: Called for each failed call, with the candidate and the error.
            on_degraded: Called for each degradation of the answer.
            on_dropped: Called for each candidate that drops out, with the error of its call.
            pause: Returns the seconds for which the provider of a candidate that was not asked wants no call.
        """
        self.entries: list[LedgerEntry] = []
        self.degraded: list[Degradation] = []
        self.stages: list[StageTime] = []
        self.stage: Stage.ValueType = STAGE_UNSPECIFIED
        self.staged_s = 0.0
        self._unpaid: dict[str, Failure] = {}
        self.last_resorts: list[str] = []
        self.doubtful_last_resorts = 0
        self.waits: dict[str, float] = {}
        self._not_asked: dict[str, NotAsked] = {}
        self._on_failure = on_failure
        self._on_degraded = on_degraded
        self._on_dropped = on_dropped
        self._pause = pause
        self._started_at = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the route started."""
        return time.monotonic() - self._started_at

    def seconds_to(self, moment: float) -> float:
        """Returns the seconds from the start of the route to a moment of the monotonic clock."""
        return moment - self._started_at

    def add(self, entry: LedgerEntry) -> None:
        """Records a model call."""
        self.entries.append(entry)

    def extend(self, entries: Iterable[LedgerEntry], degraded: Iterable[Degradation]) -> None:
        """Records the model calls of another service on this route, with their failures, and its degradations."""
        failures: dict[str, Failure] = {}
        for entry in entries:
            self.add(entry)
            failure = entry.failure
            if entry.HasField("failure"):
                failures[entry.candidate] = failures[""] = failure
            if failure.HasField("retry_after"):
                seconds = failure.retry_after.ToNanoseconds() / 1e9
                error = ServiceError(Code.UNAVAILABLE, failure.reason, failure.message, retry_after=seconds)
                self._on_failure(entry.candidate, error)
        for degradation in degraded:
            named = Degradation(stage=self.stage, failure=failures.get(degradation.candidate))
            named.MergeFrom(degradation)
            self._add_degradation(named)

    def degrade(
        self,
        reason: DegradedReason.ValueType,
        message: str,
        candidate: str = "",
        error: ServiceError | None = None,
    ) -> None:
        """Records a degradation of the answer, with a sentence that explains it; `error` is the failure behind it."""
        self._add_degradation(self._degradation(reason, message, candidate, error))

    def drop(
        self, reason: DegradedReason.ValueType, message: str, candidate: str, error: ServiceError | None = None
    ) -> None:
        """Records in a sentence why a candidate drops out; `error` is the failure of its call."""
        degradation = self._degradation(reason, message, candidate, error)
        self.degraded.append(degradation)
        self._on_dropped(degradation, error)

    @contextmanager
    def staged(self, stage: Stage.ValueType) -> Iterator[None]:
        """Names the stage of the degradations within it, and records its duration without that of stages within it."""
        around, self.stage = self.stage, stage
        started_at, before_s = time.monotonic(), self.staged_s
        try:
            yield
        finally:
            self.stage = around
        seconds = max(0.0, time.monotonic() - started_at - (self.staged_s - before_s))
        self.staged_s += seconds
        self.stages.append(StageTime(stage=stage, elapsed=duration(seconds)))

    def _add_degradation(self, degradation: Degradation) -> None:
        self.degraded.append(degradation)
        self._on_degraded(degradation)

    def _degradation(
        self, reason: DegradedReason.ValueType, message: str, candidate: str, error: ServiceError | None
    ) -> Degradation:
        failure = error.failure() if error else None
        return Degradation(reason=reason, message=message, candidate=candidate, stage=self.stage, failure=failure)

    def add_not_asked(self, candidate: str, reason: NotAskedReason.ValueType, message: str) -> None:
        """Records in a sentence why a candidate of the pool was not asked."""
        self._not_asked[candidate] = NotAsked(candidate=candidate, reason=reason, message=message)

    def is_unavailable(self, candidate: str) -> bool:
        """Returns whether a candidate was not asked because it probably cannot deliver now."""
        return candidate in self._not_asked and self._not_asked[candidate].reason in _AS_FAILURES

    def add_last_resort(self, candidate: str, *, doubtful: bool) -> None:
        """Records that a candidate is asked as a last resort; `doubtful` if it probably cannot deliver."""
        self.last_resorts.append(candidate)
        self.doubtful_last_resorts += doubtful
        self._not_asked.pop(candidate, None)

    def add_failure(self, candidate: str, error: ServiceError) -> None:
        """Records when a candidate may be asked again after a failed call."""
        self.waits.pop(candidate, None)
        if error.retry_after is not None:
            self.waits[candidate] = error.retry_after
        self._on_failure(candidate, error)

    def add_unpaid(self, candidate: str) -> None:
        """Records a candidate that has no text, and for which the cost ceiling pays no more tokens."""
        message = f"the cost ceiling pays for no text of {candidate}"
        self._unpaid[candidate] = Failure(reason=ERROR_REASON_EMPTY_OUTPUT, message=message)

    def failures(self) -> dict[str, Failure]:
        """Returns the failure of each candidate whose last boot or completion failed."""
        stages = (STAGE_BOOT, STAGE_COMPLETE)
        last = {entry.candidate: entry for entry in self.entries if entry.stage in stages}
        failed = {name: entry.failure for name, entry in last.items() if entry.HasField("failure")}
        return failed | self._unpaid

    def has_declined(self, candidate: str) -> bool:
        """Returns whether a candidate's last boot or completion failed, and its next call probably would too."""
        failure = self.failures().get(candidate)
        return failure is not None and failure.reason in _DECLINES

    def _unavailable(self) -> dict[str, Failure]:
        """Returns why candidates that were not asked could not have delivered."""
        return {
            name: Failure(reason=_AS_FAILURES[why.reason], message=why.message)
            for name, why in self._not_asked.items()
            if why.reason in _AS_FAILURES
        }

    def nobody_left(self, deadline: Deadline) -> ServiceError:
        """Returns the error of a route on which no candidate delivered; `deadline` is the caller's."""
        unavailable = self._unavailable()
        failures = unavailable | self.failures()
        reasons = {failure.reason for failure in failures.values()}
        # The adapters end their calls a moment before the deadline, so that their error still arrives.
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
            retry_after=min((*self.waits.values(), *filter(None, map(self._pause, unavailable))), default=None),
            failures=failures,
        )

    def to_proto(self) -> Ledger:
        """Returns the ledger so far."""
        usage, cost = total(self.entries)
        return Ledger(
            entries=self.entries,
            usage=usage,
            cost_nanousd=cost,
            elapsed=duration(self.elapsed_s),
            stages=self.stages,
            not_asked=self._not_asked.values(),
        )
