"""Settings of the selector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from lightrouter.learned.artifact import GENERAL
from lightrouter.runtime import enums
from lightrouter.runtime.settings import AskingSettings, OneOf
from lightrouter.selector.llm import JudgeLimits
from lightrouter.v1.policy_pb2 import SelectorStrategy


class SelectorSettings(AskingSettings):
    """Settings of the selector; each is a flag, an environment variable and a key of the YAML file.

    Default numbers without a named source are choices.
    """

    model_config = SettingsConfigDict(env_prefix="LIGHTROUTER_SELECTOR_")

    strategy: Annotated[str, OneOf(SelectorStrategy)] = "consensus"
    """How to rank partials if a request does not set it: llm, consensus, prior, random or learned."""
    consensus_prior_weight: float = Field(default=0.05, ge=0, le=1)
    """Weight of the prior in a consensus score, 0 to 1."""
    artifact: Path = GENERAL
    """Folder of the artifact for `learned` and for shortlists; a change takes effect at once. `lightrouter lab train`
    writes one; default: the package's general-purpose artifact."""
    judge_orders: int = Field(default=2, ge=2, le=16)
    """Orders in which the judge reads the partials; each is one call, and the calls are concurrent."""
    judge_partials: int = Field(default=16, ge=2, le=256)
    """Maximum partials to judge; of more, the best by prior are judged and the others ranked by prior."""
    judge_characters: int = Field(default=16_000, ge=200)
    """Maximum characters of the conversation, and of each partial, that the judge reads."""
    judge_output_tokens: int = Field(default=1024, ge=16, le=131_072)
    """Maximum tokens of one verdict, hidden reasoning included."""
    judge_deadline_share: float = Field(default=0.8, gt=0, lt=1)
    """Share of the call's time for judging; the rest is for the fallback to priors."""
    judge_seconds: float = Field(default=30.0, gt=0)
    """Maximum seconds for judging, retries included."""

    @property
    def judge_limits(self) -> JudgeLimits:
        """The bounds of judging."""
        return JudgeLimits(
            orders=self.judge_orders,
            most_partials=self.judge_partials,
            most_characters=self.judge_characters,
            max_output_tokens=self.judge_output_tokens,
            deadline_share=self.judge_deadline_share,
            most_seconds=self.judge_seconds,
        )

    @property
    def default_strategy(self) -> SelectorStrategy.ValueType:
        """The strategy as the protos name it."""
        return enums.value(SelectorStrategy, self.strategy)
