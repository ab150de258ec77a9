"""What an evaluation may spend. Every call is paid for at its worst before it is made, so that no bound is passed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import ChatMessage, Usage

# Delimiters and role of a message as chat templates write them, generously.
_TOKENS_PER_MESSAGE: Final = 16


class Amount(NamedTuple):
    """Money in nano-dollars, and tokens, read and written."""

    nanousd: int = 0
    tokens: int = 0

    def plus(self, other: Amount) -> Amount:
        """Returns the sum."""
        return Amount(self.nanousd + other.nanousd, self.tokens + other.tokens)

    def less(self, other: Amount) -> Amount:
        """Returns the difference."""
        return Amount(self.nanousd - other.nanousd, self.tokens - other.tokens)

    def times(self, count: int) -> Amount:
        """Returns so many of it."""
        return Amount(self.nanousd * count, self.tokens * count)


_NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an evaluation.

    Attributes:
        nanousd: Most money, in nano-dollars; None: no bound.
        tokens: Most tokens, read and written; None: no bound.
        seconds: Most seconds that one process may take for it, over 0.
        concurrency: Most calls at the same time, 1 upward.
    """

    nanousd: int | None = None
    tokens: int | None = None
    seconds: float = 3600.0
    concurrency: int = 8


class Budget:
    """What is left of the bounds."""

    def __init__(self, limits: Limits, spent: Amount = _NOTHING) -> None:
        """Begins the time now; `spent` is what went before."""
        self._limits = limits
        self.committed = spent
        """What was spent, and what running calls may spend."""
        self.deadline = Deadline.after(limits.seconds)
        """When the time is over."""

    def reserve(self, worst: Amount) -> bool:
        """Keeps what a call costs at its worst; returns whether there was as much, and time."""
        after = self.committed.plus(worst)
        bounds = (self._limits.nanousd, self._limits.tokens)
        if self.deadline.expired or any(
            limit is not None and needed > limit for needed, limit in zip(after, bounds, strict=True)
        ):
            return False
        self.committed = after
        return True

    def settle(self, worst: Amount, spent: Amount) -> None:
        """Gives back what was kept for a call that is over, less what it cost."""
        self.committed = self.committed.less(worst).plus(spent)


def worst_case(messages: Iterable[ChatMessage], output_tokens: int, prices: Prices, more_tokens: int = 0) -> Amount:
    """Returns the most that a call costs.

    A token has at least one byte of the text. `more_tokens` are read besides the messages, such as instructions that
    the adapter puts before them. A provider that reads or writes more than it was given is not bounded by anybody.
    """
    read = more_tokens + sum(len(message.content.encode()) + _TOKENS_PER_MESSAGE for message in messages)
    dearest = Prices(
        input_nanousd_per_million=max(prices.input_nanousd_per_million, prices.cached_input_nanousd_per_million),
        output_nanousd_per_million=prices.output_nanousd_per_million,
    )
    usage = Usage(input_tokens=read, output_tokens=output_tokens)
    return Amount(cost_nanousd(dearest, usage), read + output_tokens)
