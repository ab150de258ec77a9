"""What a boot gives: how much better the answer gets if some candidates begin and the one that began best finishes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class BootShare(NamedTuple):
    """What was learned of boots of one length.

    Attributes:
        options: Whether the prompts have lettered options.
        candidates: How many candidates begin, 2 or more.
        tokens: The tokens that each of them writes before the choice, 1 or more.
        share: The established rise in quality by the choice, as a share of `room`, 0 to 1.
        further_gain: What the answers after the boots' one add, as a share of what they add after an answer that was
            asked outright, 0 to 1.
        further_cost: What they cost, likewise.
    """

    options: bool
    candidates: int
    tokens: int
    share: float
    further_gain: float = 0.0
    further_cost: float = 0.0


def room(qualities: Sequence[float]) -> float:
    """Returns what a perfect choice would add to the best candidate if all err independently, 0 to 1.

    Args:
        qualities: The expected qualities of the candidates, each 0 to 1; at least one.
    """
    return max(0.0, 1 - math.prod(1 - each for each in qualities) - max(qualities))
