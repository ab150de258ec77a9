"""LightRouter's own policies, as a comparison makes them."""

from __future__ import annotations

from typing import Final

import numpy as np

from lightrouter.lab.decision import Policy
from lightrouter.lab.paper import Paper
from lightrouter.lab.prices import PriceList
from lightrouter.lab.questions import Judged

PREFIX: Final = "lightrouter"
"""What the names of all of them begin with."""
NOTES: Final = (
    "boot_tokens is B, what each candidate may write before the ranking; boot_output_tokens what all wrote.",
)

# The shorter the boot, the cheaper; a fifth of what a model usually writes shows most of what the whole text shows.
_BOOT_SHARE = 0.2
_BOOT_TOKENS = (5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300)


def boot_tokens(train: Judged) -> int:
    """Returns B for prompts like these: the round number next to a fifth of the median length of an answer."""
    wanted = _BOOT_SHARE * float(np.median(train.questions.output_tokens))
    return min(_BOOT_TOKENS, key=lambda tokens: abs(np.log(tokens / max(wanted, 1.0))))


def policies(prices: PriceList, train: Judged, *, boot: int | None, top_k: int | None) -> list[Policy]:
    """Returns them.

    Args:
        prices: What the candidates cost.
        train: What is learned from.
        boot: B; None: what `boot_tokens` says.
        top_k: Most drafts that are finished; None: each policy's own.
    """
    return [Paper(boot or boot_tokens(train), top_k, train.questions.pattern, prices)]
