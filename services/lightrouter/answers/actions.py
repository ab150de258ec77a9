"""Actions: the tool calls of answers, compared by name and canonical arguments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

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

    A call against text is a difference, and so is another tool; neither the order of calls nor their spelling counts.
    Of arguments that were cut off, what is complete counts. A call that only one of them has agrees with nothing.
    """
    if bool(left) != bool(right):
        return 0.0
    if not left:
        return 1.0
    fewer, more = sorted((list(left), list(right)), key=len)
    if Counter(names(fewer)) - Counter(names(more)):
        return 0.0
    count, alike = len(more), 0.0
    for call in fewer:
        best, at = max((_alike(call, other), -at) for at, other in enumerate(more) if other.name == call.name)
        del more[-at]
        alike += best
    return (_NAME_WEIGHT * len(fewer) + (1 - _NAME_WEIGHT) * alike) / count


def groups(actions: Sequence[Sequence[ToolCall]]) -> list[int | None]:
    """Returns the group of each answer: those that call and agree so far have the same number; None for no call."""
    found: list[int | None] = [None] * len(actions)
    first: list[int] = []
    # The one with the most arguments comes first: others may be cut before they differ.
    order = sorted(range(len(actions)), key=lambda place: -sum(len(call.arguments) for call in actions[place]))
    for place in order:
        if actions[place]:
            same = next((at for at in first if similarity(actions[at], actions[place]) == 1.0), place)
            if same == place:
                first.append(place)
            found[place] = same
    return found


def shown(calls: Sequence[ToolCall]) -> str:
    """Returns calls as text, one a line, for people and for models that judge them."""
    return "\n".join(f"calls {call.name}({call.arguments})" for call in calls)


def plain_text(message: ChatMessage) -> str:
    """Returns a message as text, with its calls shown and a placeholder for each picture, document and recording."""
    if not (message.parts or message.tool_calls):
        return message.content
    parts = [part.text or f"[{part.WhichOneof('kind')}]" for part in message.parts]
    return "\n".join(filter(None, [message.content, *parts, shown(message.tool_calls)]))


class _SoFar(NamedTuple):
    """A value, and whether more of it may come."""

    value: object
    is_cut: bool

    def members(self) -> dict[object, _SoFar]:
        """Returns the members of an object or the items of a list; only the last one may be cut."""
        values = self.value if isinstance(self.value, dict | list) else []
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        found: dict[object, _SoFar] = {key: _SoFar(each, is_cut=False) for key, each in pairs}
        if self.is_cut and found:
            key, last = found.popitem()
            found[key] = last._replace(is_cut=isinstance(last.value, dict | list))
        return found


def _alike(left: ToolCall, right: ToolCall) -> float:
    """Returns the share of the arguments' members that two calls of one tool have in common so far, 0 to 1."""
    one, other = _arguments(left.arguments), _arguments(right.arguments)
    if one is None or other is None:
        return float(left.arguments == right.arguments)
    compared = _compared(one, other)
    return sum(compared) / len(compared) if compared else 1.0


def _compared(one: _SoFar, other: _SoFar) -> list[bool]:
    """Returns for each member that can be compared whether it may become the same."""
    ours, theirs = one.members(), other.members()
    both = [_may_equal(ours[key], theirs[key]) for key in ours.keys() & theirs.keys()]
    # A member that a whole value does not have can no longer come.
    missing = 0 if other.is_cut else len(ours.keys() - theirs.keys())
    missing += 0 if one.is_cut else len(theirs.keys() - ours.keys())
    return both + [False] * missing


def _may_equal(one: _SoFar, other: _SoFar) -> bool:
    containers = isinstance(one.value, dict | list) and type(one.value) is type(other.value)
    if containers and (one.is_cut or other.is_cut):
        return all(_compared(one, other))
    return _canonical_value(one.value) == _canonical_value(other.value)


def _arguments(text: str) -> _SoFar | None:
    """Returns the arguments of a call; None if they are no JSON object."""
    try:
        begun = begun_json(text)
    except NoJsonError:
        return None
    if begun is not None and not isinstance(begun, dict):
        return None
    return _SoFar(begun or {}, is_cut=not _is_json(text))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


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
