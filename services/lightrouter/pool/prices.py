"""The prices of a candidate in the pool file."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lightrouter.pool.section import Section
from lightrouter.pool.values import NanoUsdPerMillion
from lightrouter.v1 import candidate_pb2


class Rates(Section):
    """Prices for a million tokens: US dollars in the file, nano-dollars (10^-9 dollars) here."""

    input: NanoUsdPerMillion = 0
    """Tokens read that were not cached."""
    cached_input: NanoUsdPerMillion | None = None
    """Tokens read from the provider's cache; default: the price of `input`."""
    output: NanoUsdPerMillion = 0
    """Tokens written, reasoning included."""
    cache_write: NanoUsdPerMillion | None = None
    """Tokens read and put into the provider's cache; default: the price of `input`."""

    def members(self) -> dict[str, int]:
        """Returns the members of these prices in their messages."""
        return {
            "input_nanousd_per_million": self.input,
            "cached_input_nanousd_per_million": self.input if self.cached_input is None else self.cached_input,
            "output_nanousd_per_million": self.output,
            "cache_write_nanousd_per_million": self.cache_write or 0,
        }


class TierPrices(Rates):
    """The prices of a call whose prompt is longer than a limit; they hold for all of its tokens."""

    above: Annotated[int, Field(ge=1, le=2**40)]
    """The most tokens of a prompt that still has the lower prices."""


class PriceList(Rates):
    """The provider's prices for a million tokens: US dollars in the file, nano-dollars (10^-9 dollars) here."""

    tiers: Annotated[tuple[TierPrices, ...], Field(max_length=8, strict=False)] = ()
    """Prices of long prompts. Default: none, these prices hold for all."""

    def to_proto(self) -> candidate_pb2.Prices:
        """Returns these prices as a message."""
        tiers = [
            candidate_pb2.PromptTier(above_input_tokens=tier.above, **tier.members())
            for tier in sorted(self.tiers, key=lambda tier: tier.above)
        ]
        return candidate_pb2.Prices(**self.members(), tiers=tiers)
