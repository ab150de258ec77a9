"""The domain's errors. Logic raises them; `rpc.status` translates them to and from google.rpc.Status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from lightrouter.runtime.enums import OTHER, label, series
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure


class Code(IntEnum):
    """The canonical status codes with their numbers (google/rpc/code.proto), for logic without gRPC."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


def reason_name(reason: ErrorReason.ValueType) -> str:
    """Returns the reason's name without its prefix, for ErrorInfo, spans and logs."""
    return label(ErrorReason, reason).upper()


def reason_series(reason: ErrorReason.ValueType) -> str:
    """Returns the reason's name for a metric; `other` if this version does not know it."""
    known = series(ErrorReason, reason)
    return known if known == OTHER else known.upper()


class Violation(NamedTuple):
    """A field that breaks a rule: its path, like `prompt.messages[0].content`, and how to correct it."""

    field: str
    message: str


class Spent(NamedTuple):
    """The usage and the cost of a failed model call."""

    usage: Usage
    cost_nanousd: int

    @classmethod
    def nothing(cls) -> Spent:
        """Returns what a call has spent whose model certainly did not run."""
        return cls(Usage(), 0)


class ServiceError(Exception):
    """A failure that a caller can act on.

    Attributes:
        code: The status code.
        reason: The reason from error_reason.proto.
        message: One sentence for people, without keys and without the text of a prompt.
        violations: The fields at fault, for bad input.
        retry_after: Seconds after which a retry may help; None if waiting does not help.
        failures: The failure of each candidate, by name.
        attempts: HTTP attempts of a failed model call; 0 if it made none or they are unknown.
        counted_attempts: Those of `attempts` whose cost is known, in `spent` or as nothing; 0 if that is unknown.
        spent: Usage and cost of a failed model call, 0 if it certainly cost nothing; None if they are unknown.
        finish_reason: Why the model stopped, if it stopped without any text; unspecified if unknown.
    """

    def __init__(
        self,
        code: Code,
        reason: ErrorReason.ValueType,
        message: str,
        *,
        field: str = "",
        violations: Sequence[Violation] = (),
        retry_after: float | None = None,
        failures: Mapping[str, Failure] | None = None,
        attempts: int = 0,
        counted_attempts: int = 0,
        spent: Spent | None = None,
        finish_reason: FinishReason.ValueType = FinishReason.FINISH_REASON_UNSPECIFIED,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = tuple(violations) or ((Violation(field, message),) if field else ())
        self.retry_after = retry_after
        self.failures: Mapping[str, Failure] = failures or {}
        self.attempts = attempts
        self.counted_attempts = counted_attempts
        self.spent = spent
        self.finish_reason = finish_reason

    def failure(self) -> Failure:
        """Returns the failure for a ledger entry."""
        failure = Failure(reason=self.reason, message=self.message)
        if self.retry_after is not None:
            failure.retry_after.FromNanoseconds(round(self.retry_after * 1e9))
        return failure


def invalid(
    field: str, message: str, reason: ErrorReason.ValueType = ErrorReason.ERROR_REASON_INVALID_REQUEST
) -> ServiceError:
    """Returns the error for a bad value of `field`, a path from the request."""
    return ServiceError(Code.INVALID_ARGUMENT, reason, message, field=field)


def deadline_exceeded(message: str) -> ServiceError:
    """Returns the error for a call whose deadline has passed."""
    return ServiceError(Code.DEADLINE_EXCEEDED, ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED, message)
