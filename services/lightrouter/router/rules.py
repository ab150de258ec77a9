"""What the operator sets for all routes: defaults, maxima, shares of the time, and when a candidate has drifted."""

from __future__ import annotations

from dataclasses import dataclass

from lightrouter.v1.chat_pb2 import Sampling
from lightrouter.v1.policy_pb2 import Policy


@dataclass(frozen=True, slots=True)
class Maxima:
    """What the operator allows a request at most; None allows what the protos do.

    Attributes:
        cost_nanousd: Money of the whole route, in nano-dollars.
        boot_tokens: Boot tokens of a candidate.
        k: Candidates that go on.
        output_tokens: Tokens of an answer.
    """

    cost_nanousd: int | None = None
    boot_tokens: int | None = None
    k: int | None = None
    output_tokens: int | None = None

    def hold(self, policy: Policy, sampling: Sampling) -> None:
        """Lowers what a policy and its sampling ask for, all of it set but perhaps the ceiling, to what is allowed."""
        if self.cost_nanousd is not None:
            asked = policy.max_cost_nanousd if policy.HasField("max_cost_nanousd") else self.cost_nanousd
            policy.max_cost_nanousd = min(asked, self.cost_nanousd)
        policy.boot_tokens = min(policy.boot_tokens, self.boot_tokens or policy.boot_tokens)
        policy.k = min(policy.k, self.k or policy.k)
        sampling.max_output_tokens = min(sampling.max_output_tokens, self.output_tokens or sampling.max_output_tokens)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a request says nothing.

    Attributes:
        policy: The policy, with every field set that has a default.
        max_output_tokens: Most tokens of an answer.
        probation_share: Share of the requests, 0 to 1, in which a candidate on probation takes part.
        exploring_share: Share of the requests, 0 to 1, in which one candidate boots that is not on the shortlist.
        maxima: What no request gets more of.
    """

    policy: Policy
    max_output_tokens: int = 1024
    probation_share: float = 0.05
    exploring_share: float = 0.02
    maxima: Maxima = Maxima()


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the time that is left a stage may take, each over 0 to 1, and the boot stage's grace in seconds."""

    boot: float = 0.5
    select: float = 0.3
    complete: float = 0.7
    aggregate: float = 0.9
    grace_s: float = 1.0


@dataclass(frozen=True, slots=True)
class DriftRules:
    """When a candidate has drifted.

    Attributes:
        tolerance: How much worse than its history a figure may be, 0 to 1.
        run_length: Requests between two candidates held by a false alarm, at least so many on average for each one.
        minimum: Candidates that stay admitted whatever they do, at least so many.
    """

    tolerance: float = 0.05
    run_length: float = 10_000
    minimum: int = 2
