"""The budget of an evaluation. Each call is reserved at its maximum cost first, so no bound is exceeded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import ChatMessage, Usage

# Tokens for a message's delimiters and role in chat templates, rounded up.
_TOKENS_PER_MESSAGE: Final = 16


class Amount(NamedTuple):
    """Money in nano-dollars, and tokens, input and output."""

    nanousd: int = 0
    tokens: int = 0

    def plus(self, other: Amount) -> Amount:
        """Returns the sum."""
        return Amount(self.nanousd + other.nanousd, self.tokens + other.tokens)

    def less(self, other: Amount) -> Amount:
        """Returns the difference."""
        return Amount(self.nanousd - other.nanousd, self.tokens - other.tokens)

    def times(self, count: int) -> Amount:
        """Returns the product."""
        return Amount(self.nanousd * count, self.tokens * count)


_NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an evaluation.

    Attributes:
        nanousd: Maximum money, in nano-dollars; None: no bound.
        tokens: Maximum tokens, input and output; None: no bound.
        seconds: Maximum seconds of one process, above 0.
        concurrency: Maximum concurrent calls, 1 or more.
    """

    nanousd: int | None = None
    tokens: int | None = None
    seconds: float = 3600.0
    concurrency: int = 8


class Budget:
    """The rest of the budget."""

    def __init__(self, limits: Limits, spent: Amount = _NOTHING) -> None:
        """Starts the clock now; `spent` is the earlier cost."""
        self._limits = limits
        self.committed = spent
        """The spent amount, and the reservations of running calls."""
        self.deadline = Deadline.after(limits.seconds)
        """The time at which the budget's seconds are over."""

    def reserve(self, worst: Amount) -> bool:
        """Reserves the maximum cost of a call; returns whether money and time sufficed."""
        after = self.committed.plus(worst)
        bounds = (self._limits.nanousd, self._limits.tokens)
        if self.deadline.expired or any(
            limit is not None and needed > limit for needed, limit in zip(after, bounds, strict=True)
        ):
            return False
        self.committed = after
        return True

    def settle(self, worst: Amount, spent: Amount) -> None:
        """Releases the reservation of a finished call, minus its cost."""
        self.committed = self.committed.less(worst).plus(spent)


def worst_case(messages: Iterable[ChatMessage], output_tokens: int, prices: Prices, more_tokens: int = 0) -> Amount:
    """Returns the maximum cost of a call.

    A token has at least one byte of the text. `more_tokens` are input tokens beyond the messages, such as the adapter's
    instructions. A provider that ignores its limits cannot be bounded.
    """
    read = more_tokens + sum(len(message.content.encode()) + _TOKENS_PER_MESSAGE for message in messages)
    dearest = Prices(
        input_nanousd_per_million=max(prices.input_nanousd_per_million, prices.cached_input_nanousd_per_million),
        output_nanousd_per_million=prices.output_nanousd_per_million,
    )
    usage = Usage(input_tokens=read, output_tokens=output_tokens)
    return Amount(cost_nanousd(dearest, usage), read + output_tokens)
