"""Complete and incomplete texts, by their finish reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FINISH_REASON_TOOL_CALLS,
    FinishReason,
)

_WHOLE: Final = frozenset({FINISH_REASON_STOP, FINISH_REASON_TOOL_CALLS})


def is_interrupted(reason: FinishReason.ValueType) -> bool:
    """Returns whether the provider ended a text although neither the model nor a token limit did.

    A content filter did, or the reason is unknown: the text may be incomplete, and asking for the rest is of no use.
    """
    return reason not in {*_WHOLE, FINISH_REASON_LENGTH}


def complete_first(drafts: Sequence[Draft]) -> list[Draft]:
    """Returns the drafts that the model ended before those that a limit cut; interrupted ones only if all are.

    Drafts that are equal in this respect keep their order.
    """
    usable = [draft for draft in drafts if not is_interrupted(draft.finish_reason)] or drafts
    return sorted(usable, key=lambda draft: draft.finish_reason not in _WHOLE)
