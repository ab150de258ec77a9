"""Takes the draft of the best-ranked candidate. Costs no tokens and cannot fail."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lightrouter.aggregator.strategy import MergeInput, best_result, piece
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.aggregator_pb2 import AggregateResponse


class Best:
    """The first draft is the answer."""

    async def merge(self, merge_input: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the first draft, then the result."""
        del deadline
        draft = merge_input.request.drafts[0]
        yield piece(draft.text)
        yield best_result(merge_input, draft)
