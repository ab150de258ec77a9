"""The budget of an evaluation. A call's highest possible cost is reserved before it, so no bound is exceeded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.ledger import most_nanousd
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import ChatMessage

# Role and delimiters of a message. A choice: three times the five tokens or so that ChatML takes.
_TOKENS_PER_MESSAGE: Final = 16


class Amount(NamedTuple):
    """Money in nano-dollars; tokens, input and output together."""

    nanousd: int = 0
    tokens: int = 0

    def plus(self, other: Amount) -> Amount:
        """Returns the sum."""
        return Amount(self.nanousd + other.nanousd, self.tokens + other.tokens)

    def less(self, other: Amount) -> Amount:
        """Returns the difference."""
        return Amount(self.nanousd - other.nanousd, self.tokens - other.tokens)

    def times(self, count: int) -> Amount:
        """Returns the amount `count` times."""
        return Amount(self.nanousd * count, self.tokens * count)


_NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an evaluation. The defaults are choices.

    Attributes:
        nanousd: Most money, in nano-dollars; None: no bound.
        tokens: Most tokens, input and output together; None: no bound.
        seconds: Most seconds of one process, above 0.
        concurrency: Most calls at the same time, at least 1.
    """

    nanousd: int | None = None
    tokens: int | None = None
    seconds: float = 3600.0
    concurrency: int = 8


class Budget:
    """The bounds of an evaluation and what has been spent of them."""

    def __init__(self, limits: Limits, spent: Amount = _NOTHING) -> None:
        """Starts the time now; `spent` is the cost so far."""
        self._limits = limits
        self.committed = spent
        """The amount spent, and the amount that running calls may spend."""
        self.deadline = Deadline.after(limits.seconds)
        """The end of the time."""

    def reserve(self, worst: Amount) -> bool:
        """Reserves a call's highest possible cost; returns whether the budget and the time allow it."""
        after = self.committed.plus(worst)
        bounds = (self._limits.nanousd, self._limits.tokens)
        if self.deadline.expired or any(
            limit is not None and needed > limit for needed, limit in zip(after, bounds, strict=True)
        ):
            return False
        self.committed = after
        return True

    def settle(self, worst: Amount, spent: Amount) -> None:
        """Replaces the reservation of a finished call by its actual cost."""
        self.committed = self.committed.less(worst).plus(spent)


def worst_case(messages: Iterable[ChatMessage], output_tokens: int, prices: Prices, more_tokens: int = 0) -> Amount:
    """Returns the highest possible cost of a call.

    A token has at least one byte of text. `more_tokens` are further input tokens, such as instructions that the
    adapter adds. If a provider counts more than that, the cost is not bounded.
    """
    read = more_tokens + sum(len(message.content.encode()) + _TOKENS_PER_MESSAGE for message in messages)
    return Amount(most_nanousd(prices, read, output_tokens), read + output_tokens)
