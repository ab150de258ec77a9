"""The steps that a route can take next, and what each is worth after its cost."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """A step before it is taken.

    Attributes:
        gain: Expected rise in the answer's quality, -1 to 1.
        cost: Expected cost in nano-dollars.
    """

    gain: float
    cost: int

    def value(self, worth: float) -> float:
        """Returns the step's expected value less its cost, in nano-dollars, if a right answer is worth this much."""
        return self.gain * worth - self.cost
