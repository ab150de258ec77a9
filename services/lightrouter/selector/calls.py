"""Partials that call tools: shown as text to what reads texts, and compared by their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from lightrouter.answers.actions import shown, similarity
from lightrouter.answers.agreement import Comparison, mean
from lightrouter.answers.json_schema import OutputForm
from lightrouter.answers.pieces import PIECE, Pieces
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import FinishReason, OutputSpec, ToolCall


def is_whole(partial: Partial) -> bool:
    """Returns whether a partial is known to be a whole answer."""
    # Only these say so.
    called = partial.finish_reason == FinishReason.FINISH_REASON_TOOL_CALLS and bool(partial.tool_calls)
    return called or partial.finish_reason == FinishReason.FINISH_REASON_STOP


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


def broken(partials: Sequence[Partial], output: OutputSpec) -> Pieces[frozenset[str]]:
    """Returns the candidates whose partials break the form that `output` asks for, so that no end can mend them.

    Raises:
        ServiceError: INVALID_ARGUMENT: a schema of `output` cannot be used.
    """
    if output == OutputSpec():
        return frozenset()
    # To read a schema is long work.
    yield PIECE
    form, found = OutputForm(output, "output"), set()
    for partial in partials:
        if is_whole(partial):
            is_out = bool(form.fault(partial.text, partial.tool_calls))
        else:
            is_out = form.rules_out(partial.text, partial.tool_calls)
        if is_out:
            found.add(partial.candidate)
        yield min(PIECE, len(partial.text) + sum(len(call.arguments) for call in partial.tool_calls))
    return frozenset(found)
