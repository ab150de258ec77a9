"""A policy that knows its candidates only from a few calibration prompts."""

from __future__ import annotations

from lightrouter.lab.dataset.questions import Ints, LabelledData, Questions
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Decision
from lightrouter.lab.policies.routed import Routed
from lightrouter.recording.recording import pool_names
from lightrouter.v1.candidate_pb2 import Evaluation


class Calibrated:
    """A policy that knows the candidates only from calibration prompts."""

    def __init__(self, policy: Routed | BestSingle, drawn: Ints) -> None:
        """Calibrates `policy` on the training prompts at the indices `drawn`."""
        self.name = policy.name
        self.about = f"{policy.about} A candidate is known only by its mean quality on {len(drawn)} prompts."
        self.boot_tokens = policy.boot_tokens
        self._policy = policy
        self._drawn = drawn

    def fit(self, train: LabelledData) -> None:
        """Evaluates the candidates on the calibration prompts."""
        count, known = len(self._drawn), train.take(self._drawn)
        self._policy.fit(known if count else train)
        if not isinstance(self._policy, Routed):
            return
        if not count:
            self._policy.priors = [0.5] * len(train.questions.models)
        else:
            self._policy.evaluations = {
                name: Evaluation(score=mean, score_low=mean, score_high=mean, prompts=count)
                for name, mean in zip(pool_names(train.questions.models).values(), self._policy.priors, strict=True)
            }

    def decide(self, questions: Questions) -> list[Decision]:
        """Decides on each prompt."""
        return self._policy.decide(questions)
