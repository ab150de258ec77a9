"""Partials that call tools: shown as text to what reads texts, and compared by their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from lightrouter.answers.actions import shown, similarity
from lightrouter.answers.agreement import Comparison, mean
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ToolCall


def with_calls_shown(partial: Partial) -> Partial:
    """Returns a partial whose text shows its tool calls too."""
    if not partial.tool_calls:
        return partial
    copied = Partial()
    copied.CopyFrom(partial)
    copied.text = "\n".join(filter(None, [partial.text.strip(), shown(partial.tool_calls)]))
    return copied


def with_actions(compared: Comparison, calls: Sequence[Sequence[ToolCall]]) -> Comparison:
    """Returns a comparison of texts in which those that call a tool agree with others by their calls alone.

    Args:
        compared: The comparison of the texts.
        calls: The tool calls of each text.
    """
    if not any(calls):
        return compared
    matrix = [list(row) for row in compared.agreement]
    for left, right in combinations(range(len(calls)), 2):
        if calls[left] or calls[right]:
            matrix[left][right] = matrix[right][left] = similarity(calls[left], calls[right])
    voters = sorted({*compared.voters, *(place for place, each in enumerate(calls) if each)})
    return replace(compared, agreement=matrix, voters=voters, agreed=mean(matrix))
