"""The prices of a candidate in the pool file."""

from __future__ import annotations

from collections.abc import Iterator
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
    """The prices of a call whose prompt is longer than a limit; they hold for all of its tokens.

    Prices that are left out are those of shorter prompts.
    """

    above: Annotated[int, Field(ge=1, le=2**40)]
    """The most tokens of a prompt that still has the lower prices."""

    def completed_by(self, shorter: Rates) -> TierPrices:
        """Returns these prices, and those of shorter prompts for what they leave out."""
        # The prices of cached tokens go with the price of input.
        given = {"cached_input", "cache_write"} if "input" in self.model_fields_set else set()
        left_out = Rates.model_fields.keys() - self.model_fields_set - given
        return self.model_copy(update={name: getattr(shorter, name) for name in left_out})


class PriceList(Rates):
    """The provider's prices for a million tokens: US dollars in the file, nano-dollars (10^-9 dollars) here."""

    tiers: Annotated[tuple[TierPrices, ...], Field(max_length=8, strict=False)] = ()
    """Prices of long prompts. Default: none, these prices hold for all."""

    def contradictions(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yields what cannot be meant: the place within these prices, and a sentence."""
        limits = [tier.above for tier in self.tiers]
        for position, limit in enumerate(limits):
            if limit in limits[:position]:
                yield ("tiers", position, "above"), "is the limit of another tier already"

    def to_proto(self) -> candidate_pb2.Prices:
        """Returns these prices as a message."""
        tiers: list[candidate_pb2.PromptTier] = []
        shorter: Rates = self
        for tier in sorted(self.tiers, key=lambda tier: tier.above):
            shorter = tier.completed_by(shorter)
            tiers.append(candidate_pb2.PromptTier(above_input_tokens=tier.above, **shorter.members()))
        return candidate_pb2.Prices(**self.members(), tiers=tiers)
