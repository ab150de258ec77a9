"""Actions: the tool calls of answers, compared by name and canonical arguments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from math import fsum
from typing import Final

from lightrouter.answers.canonical import NoJsonError, begun_json, canonical_json
from lightrouter.v1.chat_pb2 import ChatMessage, ToolCall

Action = tuple[tuple[str, str], ...]
"""The calls of one answer, sorted: names with canonical arguments; empty for an answer that calls nothing."""
# A choice: two calls of one tool agree half, and their arguments decide the other half.
_NAME_WEIGHT: Final = 0.5


def action(calls: Sequence[ToolCall]) -> Action:
    """Returns the action of whole calls; the order of calls and of their arguments' members does not count."""
    return tuple(sorted((call.name, _canonical(call.arguments)) for call in calls))


def names(calls: Sequence[ToolCall]) -> tuple[str, ...]:
    """Returns the names of the tools that are called, sorted."""
    return tuple(sorted(call.name for call in calls))


def vote(actions: Sequence[Action]) -> tuple[Action, bool]:
    """Returns the action that most answers want, of equals the first, and whether there are no equals."""
    counts = Counter(actions)
    most = max(counts.values())
    winners = [each for each in counts if counts[each] == most]
    return winners[0], len(winners) == 1


def similarity(left: Sequence[ToolCall], right: Sequence[ToolCall]) -> float:
    """Returns how far two answers want the same so far, 0 to 1: by the tools' names, then by their arguments.

    A call against text is a difference, and so is another tool. Of arguments that were cut off, the members that are
    complete on both sides count.
    """
    if bool(left) != bool(right):
        return 0.0
    if not left:
        return 1.0
    pairs = list(zip(sorted(left, key=_key), sorted(right, key=_key), strict=False))
    if any(one.name != other.name for one, other in pairs):
        return 0.0
    alike = fsum(_arguments_alike(one.arguments, other.arguments) for one, other in pairs) / len(pairs)
    return _NAME_WEIGHT + (1 - _NAME_WEIGHT) * alike


def shown(calls: Sequence[ToolCall]) -> str:
    """Returns calls as text, one a line, for people and for models that judge them."""
    return "\n".join(f"calls {call.name}({call.arguments})" for call in calls)


def plain_text(message: ChatMessage) -> str:
    """Returns a message as text, with its calls shown and a placeholder for each picture, document and recording."""
    if not (message.parts or message.tool_calls):
        return message.content
    parts = [part.text or f"[{part.WhichOneof('kind')}]" for part in message.parts]
    return "\n".join(filter(None, [message.content, *parts, shown(message.tool_calls)]))


def _key(call: ToolCall) -> tuple[str, str]:
    return call.name, call.arguments


def _arguments_alike(left: str, right: str) -> float:
    try:
        one, other = begun_json(left), begun_json(right)
    except NoJsonError:
        return float(left == right)
    if not isinstance(one, dict) or not isinstance(other, dict):
        return 1.0
    shared = one.keys() & other.keys()
    if not shared:
        return 1.0
    return sum(_canonical_value(one[key]) == _canonical_value(other[key]) for key in shared) / len(shared)


def _canonical(arguments: str) -> str:
    try:
        return _canonical_value(json.loads(arguments or "{}"))
    except (ValueError, RecursionError):
        return arguments


def _canonical_value(value: object) -> str:
    try:
        return canonical_json(value)
    except ValueError:
        return repr(value)
