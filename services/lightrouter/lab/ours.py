"""LightRouter's own policies, as a comparison makes them."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.boots import boot_tokens
from lightrouter.lab.decision import Policy
from lightrouter.lab.paper import Paper
from lightrouter.lab.prices import PriceList
from lightrouter.lab.questions import Judged

PREFIX: Final = "lightrouter"
"""What the names of all of them begin with."""
NOTES: Final = (
    "boot_tokens is B, what each candidate may write before the ranking; boot_output_tokens what all wrote.",
)


def policies(prices: PriceList, train: Judged, *, boot: int | None, top_k: int | None) -> list[Policy]:
    """Returns them.

    Args:
        prices: What the candidates cost.
        train: What is learned from.
        boot: B; None: what `boot_tokens` says.
        top_k: Most drafts that are finished; None: each policy's own.
    """
    return [Paper(boot or boot_tokens(train), top_k, train.questions.pattern, prices)]
