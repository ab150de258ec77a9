"""The steps that a route can take next, and what each is worth after its cost."""

from __future__ import annotations

from typing import NamedTuple


class Terms(NamedTuple):
    """What a candidate's call costs. Prices are in nano-dollars (10^-9 US dollars) a token.

    Attributes:
        input_tokens: Tokens that it reads, cached ones included.
        cached_tokens: Tokens that it is expected to read from its provider's cache.
        input_price: The price of a token read that is not cached.
        cached_price: The price of a token read from the cache.
        output_price: The price of a token written.
    """

    input_tokens: float
    cached_tokens: float
    input_price: float
    cached_price: float
    output_price: float

    def cost(self, output_tokens: float) -> float:
        """Returns the cost of a call that writes so many tokens, in nano-dollars."""
        fresh = self.input_tokens - self.cached_tokens
        return fresh * self.input_price + self.cached_tokens * self.cached_price + output_tokens * self.output_price


class Step(NamedTuple):
    """A step before it is taken.

    Attributes:
        gain: Expected rise in the answer's quality, -1 to 1.
        cost: Expected cost in nano-dollars.
    """

    gain: float
    cost: float

    def value(self, worth: float) -> float:
        """Returns the step's expected value less its cost, in nano-dollars, if a right answer is worth this much."""
        return self.gain * worth - self.cost
