"""The form that an answer must have: JSON that fits a schema, or calls of tools with arguments that fit theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from lightrouter.answers.canonical import NoJsonError, begun_json
from lightrouter.answers.schemas import TooLongError, at_most, parts, validator
from lightrouter.runtime.errors import invalid
from lightrouter.v1.chat_pb2 import OutputSpec, ToolCall, ToolMode

# A choice: a fault is named whole in most cases, and still is one sentence.
_MOST_WORDS: Final = 200
# Choices: 10 ms, and a second.
_QUICK_STEPS: Final = 2_000
_MOST_STEPS: Final = 100_000
# A choice: what tools may have in all; the arguments of further tools are not checked.
_MOST_PARTS: Final = 4_096


class OutputForm:
    """Tells the faults of answers to a request by the request's tools and JSON form.

    Attributes:
        must_call: Whether the answer has to call a tool.
    """

    def __init__(self, output: OutputSpec, field: str) -> None:
        """Reads the schemas of `output`, the request's `field`.

        The arguments of a tool whose parameters are an object but no JSON Schema are not validated.

        Raises:
            ServiceError: INVALID_ARGUMENT: a schema is no JSON, or no JSON Schema; the choice names no tool.
        """
        self._tools: dict[str, Any] = {}
        left = _MOST_PARTS
        for index, tool in enumerate(output.tools):
            place = f"{field}.tools[{index}].parameters"
            parameters = _object(tool.parameters, place) if tool.parameters else {}
            left -= parts(parameters)
            try:
                self._tools[tool.name] = validator(parameters) if left >= 0 else None
            except ValueError:
                self._tools[tool.name] = None
        choice = output.tool_choice
        if choice.HasField("name") and choice.name not in self._tools:
            raise invalid(f"{field}.tool_choice.name", f"{choice.name} is not one of the request's tools")
        if choice.mode == ToolMode.TOOL_MODE_REQUIRED and not self._tools:
            raise invalid(f"{field}.tool_choice.mode", "REQUIRED needs tools, and the request has none")
        self.must_call = choice.HasField("name") or choice.mode == ToolMode.TOOL_MODE_REQUIRED
        self._has_form = output.WhichOneof("format") is not None
        self._schema: Any = None
        if output.HasField("json_schema"):
            place = f"{field}.json_schema.schema"
            try:
                self._schema = validator(_object(output.json_schema.schema, place))
            except ValueError as error:
                raise invalid(place, str(error)) from None

    @property
    def has_form(self) -> bool:
        """Whether the text must be JSON."""
        return self._has_form

    @property
    def is_free(self) -> bool:
        """Whether every answer has the form."""
        return not (self._has_form or self._tools)

    def fault(self, text: str, calls: Sequence[ToolCall]) -> str:
        """Returns what is wrong with an answer, in words that may follow "the answer"; empty if nothing is."""
        try:
            with at_most(_MOST_STEPS):
                return self._fault(text, calls)
        except TooLongError:
            return "takes too long to be checked against its schema"

    def quick_fault(self, text: str, calls: Sequence[ToolCall]) -> str | None:
        """Returns what `fault` returns if it is found in 10 ms, the time that an event loop can spare; else None."""
        try:
            with at_most(_QUICK_STEPS):
                return self._fault(text, calls)
        except TooLongError:
            return None

    def _fault(self, text: str, calls: Sequence[ToolCall]) -> str:
        if calls:
            return next(filter(None, map(self._fault_of_call, calls)), "")
        if self.must_call:
            return "calls no tool, and has to"
        if not self._has_form:
            return ""
        try:
            value = _loaded(text)
        except (ValueError, RecursionError):
            return "is no JSON"
        if not isinstance(value, dict) and self._schema is None:
            return "is no JSON object"
        return _fault(self._schema, value)

    def rules_out(self, text: str, calls: Sequence[ToolCall]) -> bool:
        """Returns whether no end of an answer that was cut off can give it the form, if that is found in 10 ms."""
        try:
            if calls:
                with at_most(_QUICK_STEPS):
                    return any(self._call_is_out(call) for call in calls)
            if not self._has_form or not text.strip():
                return False
            value = begun_json(text)
            return value is not None and not isinstance(value, dict) and self._schema is None
        except NoJsonError:
            return True
        except TooLongError:
            return False

    def _fault_of_call(self, call: ToolCall) -> str:
        if call.name not in self._tools:
            return f"calls {call.name[:64]!r}, which is no tool of the request"
        try:
            arguments = _loaded(call.arguments or "{}")
        except (ValueError, RecursionError):
            return f"calls {call.name} with arguments that are no JSON"
        fault = _fault(self._tools[call.name], arguments)
        return f"calls {call.name} with arguments of which one {fault}" if fault else ""

    def _call_is_out(self, call: ToolCall) -> bool:
        if call.name not in self._tools:
            return True
        known = self._tools[call.name]
        value = begun_json(call.arguments or "{")
        if value is not None and not isinstance(value, dict):
            return True
        properties = known.schema.get("properties") if known is not None and isinstance(known.schema, dict) else None
        if not isinstance(properties, dict):
            return False
        closed = known.schema.get("additionalProperties") is False
        for name, each in (value or {}).items():
            if name not in properties:
                if closed and not known.schema.get("patternProperties"):
                    return True
            elif not isinstance(each, dict | list) and not _fits(known, properties[name], each):
                # An object or a list may lack its end.
                return True
        return False


def _loaded(text: str) -> Any:
    """Returns the value in a JSON text; `NaN` and `Infinity` are none, although Python reads them."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _fits(known: Any, schema: Any, value: object) -> bool:
    return next(known.descend(value, schema), None) is None


def _fault(known: Any, value: object) -> str:
    """Returns how a value breaks a schema, with its place; empty if it does not."""
    if known is None:
        return ""
    error = next(known.iter_errors(value), None)
    if error is None:
        return ""
    return f"does not fit its schema at {error.json_path}: {error.message}"[:_MOST_WORDS]


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(place, "is no JSON; write a JSON Schema as JSON text") from None
    if not isinstance(value, dict):
        raise invalid(place, "is no JSON object; write a JSON Schema as JSON text")
    return value
