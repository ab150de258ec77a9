"""Translates domain errors to google.rpc.Status and back."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from lightrouter.runtime.errors import Code, ServiceError, Spent, Violation, reason_name
from lightrouter.runtime.ledger import duration
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure

DOMAIN = "lightrouter.dev"
STATUS_DETAILS_KEY = "grpc-status-details-bin"
# By default gRPC refuses trailing metadata over 8 KiB, so a larger status would be lost. It is sent twice: the message
# as percent-encoded text, and the whole status in base64.
_MAX_METADATA_BYTES = 7 * 1024
_MAX_MESSAGE_CHARACTERS = (600, 300, 150, 75)
_MOST_VIOLATIONS = 16
_ATTEMPTS = "attempts"
_COUNTED_ATTEMPTS = "counted_attempts"
_COST = "cost_nanousd"
_TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
_FINISH_REASON = "finish_reason"
# A number with fewer digits fits into 32 bits, the size of counts on the wire.
_MOST_DIGITS = 10
# A choice: twelve days.
_MOST_RETRY_SECONDS = 1e6
# The key of a cost in nano-dollars, an integer of 64 bits.
_MOST_COST_DIGITS = 19

# The reason of a status without details, which comes from gRPC itself and not from a service.
_BARE_REASONS = {
    grpc.StatusCode.UNAVAILABLE: ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED: ErrorReason.ERROR_REASON_CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ErrorReason.ERROR_REASON_REQUEST_TOO_LARGE,
    grpc.StatusCode.UNAUTHENTICATED: ErrorReason.ERROR_REASON_UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: ErrorReason.ERROR_REASON_PERMISSION_DENIED,
}


def _reason_value(name: str) -> ErrorReason.ValueType:
    try:
        return ErrorReason.Value(f"ERROR_REASON_{name}")
    except ValueError:
        return ErrorReason.ERROR_REASON_UNSPECIFIED


def _code(number: int) -> Code:
    try:
        return Code(number)
    except ValueError:
        return Code.UNKNOWN


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else 0


def to_status(error: ServiceError) -> Status:
    """Returns the status with its details: ErrorInfo, RetryInfo, BadRequest, then one ErrorInfo for each candidate.

    Texts that are too long for the metadata of a call are shortened. If not all fields and candidates fit, the last
    ones are left out.
    """
    for characters in _MAX_MESSAGE_CHARACTERS:
        status = _status(error, characters)
        if _metadata_bytes(status) <= _MAX_METADATA_BYTES:
            return status
    while _metadata_bytes(status) > _MAX_METADATA_BYTES and len(status.details) > 1:
        status.details.pop()
    return status


def _status(error: ServiceError, characters: int) -> Status:
    def shortened(text: str) -> str:
        return text if len(text) <= characters else text[: characters - 1] + "…"

    numbers = {
        _ATTEMPTS: error.attempts,
        _COUNTED_ATTEMPTS: error.counted_attempts,
        _FINISH_REASON: error.finish_reason,
    }
    counted = {name: str(number) for name, number in numbers.items() if number}
    if error.spent:
        usage, cost = error.spent
        counted |= {name: str(count) for name in _TOKENS if (count := getattr(usage, name))} | {_COST: str(cost)}
    details: list[Message] = [ErrorInfo(reason=reason_name(error.reason), domain=DOMAIN, metadata=counted)]
    if error.retry_after is not None:
        details.append(RetryInfo(retry_delay=duration(error.retry_after)))
    if error.violations:
        violations = [
            BadRequest.FieldViolation(field=violation.field, description=shortened(violation.message))
            for violation in error.violations[:_MOST_VIOLATIONS]
        ]
        details.append(BadRequest(field_violations=violations))
    for candidate, failure in error.failures.items():
        metadata = {"candidate": candidate, "message": shortened(failure.message)}
        details.append(ErrorInfo(reason=reason_name(failure.reason), domain=DOMAIN, metadata=metadata))
    status = Status(code=int(error.code), message=shortened(error.message))
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _metadata_bytes(status: Status) -> int:
    return len(quote(status.message)) + -(-len(status.SerializeToString()) * 4 // 3)


def from_status(status: Status) -> ServiceError:
    """Returns the error of a status with details."""
    reason = ErrorReason.ERROR_REASON_UNSPECIFIED
    retry_after: float | None = None
    violations: list[Violation] = []
    failures: dict[str, Failure] = {}
    attempts = counted_attempts = 0
    spent: Spent | None = None
    finish_reason = FinishReason.FINISH_REASON_UNSPECIFIED
    for detail in status.details:
        info, retry, bad_request = ErrorInfo(), RetryInfo(), BadRequest()
        if detail.Unpack(info):
            candidate = info.metadata.get("candidate")
            if candidate:
                failures[candidate] = Failure(reason=_reason_value(info.reason), message=info.metadata["message"])
            else:
                reason = _reason_value(info.reason)
                attempts = _count(info.metadata.get(_ATTEMPTS, ""))
                counted_attempts = _count(info.metadata.get(_COUNTED_ATTEMPTS, ""))
                spent = _spent(info.metadata)
                finish_reason = FinishReason.ValueType(_count(info.metadata.get(_FINISH_REASON, "")))
        elif detail.Unpack(retry):
            # Nobody waits longer, and a longer or a negative time would be an error where it is passed on.
            retry_after = min(max(0.0, retry.retry_delay.ToNanoseconds() / 1e9), _MOST_RETRY_SECONDS)
        elif detail.Unpack(bad_request):
            violations.extend(Violation(v.field, v.description) for v in bad_request.field_violations)
    return ServiceError(
        _code(status.code),
        reason,
        status.message,
        violations=violations,
        retry_after=retry_after,
        failures=failures,
        attempts=attempts,
        counted_attempts=counted_attempts,
        spent=spent,
        finish_reason=finish_reason,
    )


def _spent(counted: Mapping[str, str]) -> Spent | None:
    """Returns the usage and cost of a failed call, marked as estimated: it is not known how providers bill it."""
    if _COST not in counted:
        return None
    counts = {name: _count(counted.get(name, "")) for name in _TOKENS}
    usage = Usage(**counts, estimated=any(counts.values()))
    cost = counted[_COST]
    return Spent(usage, int(cost) if cost.isdecimal() and len(cost) < _MOST_COST_DIGITS else 0)


def from_rpc_error(error: grpc.aio.AioRpcError) -> ServiceError:
    """Returns the error of a failed RPC, from its details or, without details, from its status code."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return from_status(Status.FromString(value))
            except DecodeError:
                break
    code = error.code()
    reason = _BARE_REASONS.get(code, ErrorReason.ERROR_REASON_INTERNAL)
    return ServiceError(Code(code.value[0]), reason, error.details() or code.name)
