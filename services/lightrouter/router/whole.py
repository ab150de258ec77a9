"""Which texts are whole: one that ended by itself is, one that was withheld in part never beats it."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP, FinishReason


def is_broken(reason: FinishReason.ValueType) -> bool:
    """Tells whether a text ended in a way that neither the model nor a token limit explains.

    A provider withheld the rest, or ended it for a reason that nobody here knows: asking for more of it is no use, and
    it may not be whole.
    """
    return reason not in {FINISH_REASON_STOP, FINISH_REASON_LENGTH}


def whole_first(drafts: Sequence[Draft]) -> list[Draft]:
    """Returns the drafts with those that ended by themselves first; a broken one only where all are.

    Among equals the order stays.
    """
    sound = [draft for draft in drafts if not is_broken(draft.finish_reason)] or drafts
    return sorted(sound, key=lambda draft: draft.finish_reason != FINISH_REASON_STOP)
