"""Reasoning efforts: the word that a candidate knows for what a request asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from lightrouter.runtime.enums import label
from lightrouter.v1.chat_pb2 import ReasoningEffort

_WORDS: Final = {
    ReasoningEffort.REASONING_EFFORT_NONE: "none",
    ReasoningEffort.REASONING_EFFORT_MINIMAL: "minimal",
    ReasoningEffort.REASONING_EFFORT_LOW: "low",
    ReasoningEffort.REASONING_EFFORT_MEDIUM: "medium",
    ReasoningEffort.REASONING_EFFORT_HIGH: "high",
    ReasoningEffort.REASONING_EFFORT_MAXIMUM: "xhigh",
}


def nearest_effort(asked: ReasoningEffort.ValueType, known: Collection[str] | None) -> str | None:
    """Returns the provider's word for the effort of `known` that is nearest to `asked`; of two the smaller one.

    `known` has the pool's words, None if it is not known which efforts the candidate has. Returns None if it has none.
    """
    if known is None:
        return _WORDS.get(asked)
    efforts = [effort for effort in _WORDS if label(ReasoningEffort, effort) in known]
    nearest = min(efforts, key=lambda effort: (abs(effort - asked), effort), default=None)
    return None if nearest is None else _WORDS[nearest]
