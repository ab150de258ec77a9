"""The operator's rules for all routes: defaults, maxima, shares of the time, and drift detection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lightrouter.v1.chat_pb2 import Sampling
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_UNSPECIFIED,
    HOLD_UNSPECIFIED,
    SELECTOR_STRATEGY_LEARNED,
    SELECTOR_STRATEGY_UNSPECIFIED,
    Policy,
)

_OF_BOOTS: Final = ("boot_tokens", "k", "margin", "agreement", "quorum", "shortlist", "min_gain")


def asks_for_boots(policy: Policy) -> bool:
    """Returns whether a policy sets fields of the boot stage or of merging, and no worth.

    The default worth does not apply to such a policy, because a route under worth has neither boots nor merging.
    """
    return not policy.HasField("worth_nanousd") and (
        any(policy.HasField(name) for name in _OF_BOOTS)
        or policy.hold != HOLD_UNSPECIFIED
        or policy.selector not in {SELECTOR_STRATEGY_UNSPECIFIED, SELECTOR_STRATEGY_LEARNED}
        or policy.aggregator not in {AGGREGATOR_STRATEGY_UNSPECIFIED, AGGREGATOR_STRATEGY_BEST}
    )


@dataclass(frozen=True, slots=True)
class Maxima:
    """The operator's limits for requests; None leaves the limit of the protos.

    Attributes:
        cost_nanousd: Most nano-dollars of a route.
        boot_tokens: Most boot tokens of a candidate.
        k: Most candidates that go on.
        output_tokens: Most tokens of an answer.
    """

    cost_nanousd: int | None = None
    boot_tokens: int | None = None
    k: int | None = None
    output_tokens: int | None = None

    def apply(self, policy: Policy, sampling: Sampling) -> None:
        """Lowers a policy and its sampling to the limits. All fields but the cost ceiling have to be set."""
        if self.cost_nanousd is not None:
            asked = policy.max_cost_nanousd if policy.HasField("max_cost_nanousd") else self.cost_nanousd
            policy.max_cost_nanousd = min(asked, self.cost_nanousd)
        policy.boot_tokens = min(policy.boot_tokens, self.boot_tokens or policy.boot_tokens)
        policy.k = min(policy.k, self.k or policy.k)
        sampling.max_output_tokens = min(sampling.max_output_tokens, self.output_tokens or sampling.max_output_tokens)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The values for what a request leaves out.

    Attributes:
        policy: The policy, with every field set that has a default.
        max_output_tokens: Most tokens of an answer.
        probation_share: Share of the requests, 0 to 1, in which a candidate on probation takes part.
        exploring_share: Share of the requests, 0 to 1, in which one candidate boots that is not on the shortlist.
        maxima: The limits of every request.
    """

    policy: Policy
    max_output_tokens: int = 1024
    probation_share: float = 0.05
    exploring_share: float = 0.02
    maxima: Maxima = Maxima()


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of the time that is left for each stage, above 0 and up to 1, and the boot stage's grace in seconds."""

    boot: float = 0.5
    select: float = 0.3
    complete: float = 0.7
    aggregate: float = 0.9
    grace_s: float = 1.0


@dataclass(frozen=True, slots=True)
class DriftRules:
    """The rules of drift detection. Defaults as in `RouterSettings`.

    Attributes:
        tolerance: How much worse than its history a figure may be, 0 to 1.
        run_length: Least average number of requests of a candidate between two false alarms.
        minimum: Least number of candidates that stay admitted.
    """

    tolerance: float = 0.05
    run_length: float = 10_000
    minimum: int = 2
