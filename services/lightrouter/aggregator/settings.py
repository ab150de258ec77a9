"""Settings of the aggregator."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lightrouter.aggregator.synthesize import SynthesisLimits
from lightrouter.runtime import enums
from lightrouter.runtime.settings import AskingSettings, OneOf
from lightrouter.v1.policy_pb2 import AggregatorStrategy


class AggregatorSettings(AskingSettings):
    """Settings of the aggregator; each is a flag, an environment variable and a key of the YAML file.

    Default numbers without a named source are choices.
    """

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_AGGREGATOR_")

    strategy: Annotated[str, OneOf(AggregatorStrategy)] = "synthesize"
    """How to merge drafts if a request does not set it: synthesize, vote or best."""
    agreement: float = Field(default=0.9, ge=0, le=1)
    """Similarity of every two drafts, 0 to 1, at which they agree and the best one is the answer."""
    draft_characters: int = Field(default=24_000, ge=200)
    """Maximum characters of one draft that the synthesizer reads."""
    first_piece_share: float = Field(default=0.5, gt=0, lt=1)
    """Share of the call's time until the first piece of a synthesis; after that the best draft is sent."""
    first_piece_seconds: float = Field(default=60.0, gt=0)
    """Maximum seconds until the first piece of a synthesis."""
    stall_seconds: float = Field(default=30.0, gt=0)
    """Maximum seconds between two pieces of a synthesis; after that the model, or the next one, is asked to
    continue."""

    @property
    def synthesis_limits(self) -> SynthesisLimits:
        """The bounds of a synthesis."""
        return SynthesisLimits(
            most_characters=self.draft_characters,
            first_piece_share=self.first_piece_share,
            first_piece_seconds=self.first_piece_seconds,
            stall_seconds=self.stall_seconds,
        )

    @property
    def default_strategy(self) -> AggregatorStrategy.ValueType:
        """The strategy as the protos name it."""
        return enums.value(AggregatorStrategy, self.strategy)
