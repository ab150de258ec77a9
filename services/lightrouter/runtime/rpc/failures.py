"""The errors of calls that ended otherwise than by an error of the logic."""

from __future__ import annotations

import logging

from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.v1.error_reason_pb2 import ErrorReason

_log = logging.getLogger(__name__)


def deadline_passed() -> ServiceError:
    """Returns the error of a call that was cut off at its deadline."""
    return deadline_exceeded("the deadline passed before the call was done")


def defect(error: Exception) -> ServiceError:
    """Logs an unexpected error with its traceback; returns the error that the caller gets."""
    _log.error("a call failed for a defect of the service", exc_info=error)
    message = "the service has a defect; its log says more under this trace id"
    return ServiceError(Code.INTERNAL, ErrorReason.ERROR_REASON_INTERNAL, message)
