"""Domain errors survive the way through google.rpc.Status and back."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime.errors import Code, ServiceError, Violation, invalid
from lightrouter.runtime.rpc.status import DOMAIN, from_status, to_status
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure

reasons = st.sampled_from(ErrorReason.values())
texts = st.text(max_size=200)
failures = st.dictionaries(
    st.text(min_size=1, max_size=20), st.builds(Failure, reason=reasons, message=texts), max_size=5
)


@given(
    code=st.sampled_from(Code),
    reason=reasons,
    message=texts,
    violations=st.lists(st.builds(Violation, texts, texts), max_size=4),
    retry_after=st.none() | st.floats(min_value=0, max_value=1e6).map(lambda seconds: round(seconds, 6)),
    failed=failures,
    attempts=st.integers(0, 100),
    finish=st.sampled_from(FinishReason.values()),
)
def test_round_trip(
    code: Code,
    reason: ErrorReason.ValueType,
    message: str,
    violations: list[Violation],
    retry_after: float | None,
    failed: dict[str, Failure],
    attempts: int,
    finish: FinishReason.ValueType,
) -> None:
    error = ServiceError(
        code,
        reason,
        message,
        violations=violations,
        retry_after=retry_after,
        failures=failed,
        attempts=attempts,
        finish_reason=finish,
    )
    back = from_status(to_status(error))
    assert back.attempts == attempts
    assert back.finish_reason == finish
    assert (back.code, back.reason, back.message) == (code, reason, message)
    assert back.violations == tuple(violations)
    assert back.failures == failed
    if retry_after is None:
        assert back.retry_after is None
    else:
        assert back.retry_after is not None
        assert abs(back.retry_after - retry_after) < 1e-6


def test_invalid_names_field_and_domain() -> None:
    status = to_status(invalid("prompt.policy.k", "must be 1 or more"))
    assert status.code == Code.INVALID_ARGUMENT
    assert DOMAIN.encode() in status.SerializeToString()
    assert from_status(status).violations == (Violation("prompt.policy.k", "must be 1 or more"),)


def test_long_messages_are_shortened_so_that_the_status_fits_the_metadata() -> None:
    many = {f"candidate-{n}": Failure(message="x" * 10_000) for n in range(8)}
    error = ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED, "y" * 10_000, failures=many)
    assert len(to_status(error).SerializeToString()) < 8192


def test_the_first_of_many_violations_are_named() -> None:
    found = [Violation(f"prompt.messages[{number}].content", "不" * 1000) for number in range(1000)]
    error = ServiceError(Code.INVALID_ARGUMENT, ErrorReason.ERROR_REASON_INVALID_REQUEST, "不" * 1000, violations=found)
    status = to_status(error)
    assert len(status.SerializeToString()) * 4 / 3 + len(quote(status.message)) < 8192
    assert [each.field for each in from_status(status).violations] == [each.field for each in found[:16]]


def test_a_code_of_a_newer_server_is_unknown() -> None:
    status = to_status(invalid("x", "y"))
    status.code = 99
    assert from_status(status).code == Code.UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "nanos", "found"),
    [(2**63 - 1, 0, 1e6), (-(2**63), 0, 0), (-1, -5, 0), (0, -1, 0), (5, 10**9, 6), (0, 2**31 - 1, 2.147483647)],
)
def test_a_time_to_retry_that_cannot_be_is_bounded(seconds: int, nanos: int, found: float) -> None:
    status = to_status(ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_CIRCUIT_OPEN, "wait"))
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    error = from_status(status)
    assert error.retry_after == found
    # It can be passed on.
    assert from_status(to_status(error)).retry_after == found
    assert error.failure().retry_after.seconds == int(found)
