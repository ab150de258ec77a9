"""Checks messages by the rules that stand in the protos (protovalidate)."""

from __future__ import annotations

from google.protobuf.message import Message
from protovalidate import EvaluationError, Validator
from protovalidate import Violation as RuleViolation

from lightrouter.runtime.errors import Code, ServiceError, Violation
from lightrouter.v1.error_reason_pb2 import ErrorReason


class MessageRules:
    """The rules of all messages."""

    def __init__(self) -> None:
        """Reads the rules of a message when the first one comes."""
        self._validator = Validator()

    def check(self, message: Message, *, first_fault: bool = False) -> None:
        """Checks a request, to its end or to its first fault.

        Raises:
            ServiceError: INVALID_ARGUMENT with each field that breaks a rule, or with the first.
        """
        try:
            violations = self._validator.collect_violations(message, fail_fast=first_fault)
        except EvaluationError:
            found = [Violation("", "a list has more elements than can be checked; send fewer")]
        else:
            found = [Violation(_field_path(violation), violation.proto.message) for violation in violations]
        if not found:
            return
        first = found[0]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise ServiceError(
            Code.INVALID_ARGUMENT,
            ErrorReason.ERROR_REASON_INVALID_REQUEST,
            f"{first.field}: {first.message}{more}".removeprefix(": "),
            violations=found,
        )


def _field_path(violation: RuleViolation) -> str:
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value}]"
    return path
