"""Ensembles: several models finish their answers, and one answer is made of these."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from lightrouter.lab.dataset.questions import Floats, LabelledData, Questions
from lightrouter.lab.policies.baselines.single import Baseline, BestSingle, whole
from lightrouter.lab.policies.baselines.votes import voted
from lightrouter.lab.policies.decision import Call, Decision

Weights = Callable[[Floats], Floats]

# A choice: tokens that a fusing model reads in addition to the prompt and the texts.
_INSTRUCTION_TOKENS = 100
# The small models with which LLM-Blender ranks and fuses, by their names in the price list.
_RANKER, _FUSER = "PairRanker", "GenFuser"
# LLM-Blender fuses the best three texts (Jiang et al., 2023).
_FUSED = 3


class Ensemble(Baseline):
    """A vote of the models that are best on the training prompts, or of all models."""

    def __init__(self, name: str, about: str, size: int | None, weigh: Weights) -> None:
        """Lets `size` models vote, None for all; `weigh` turns qualities on the training prompts into weights."""
        self.name = name
        self.about = about
        self._size = size
        self._weigh = weigh
        self._voters: list[int] = []
        self._weights: list[float] = []

    def fit(self, train: LabelledData) -> None:
        """Ranks the models and weighs their votes."""
        prior = train.quality.mean(axis=0)
        order = [int(model) for model in np.argsort(-prior, kind="stable")]
        self._voters = order[: self._size]
        self._weights = [float(weight) for weight in self._weigh(prior[self._voters])]

    def decide_on(self, questions: Questions, index: int) -> Decision:
        """Lets them answer and vote."""
        calls = [whole(questions, index, model) for model in self._voters]
        return Decision([calls], voted(questions, index, self._voters, self._weights), len(calls))


def full_majority() -> Ensemble:
    """Returns the vote of all models, one vote each."""
    about = (
        "Every model finishes its answer and has one vote; a tie goes to the better model on the training prompts. "
        "Without comparable answers, the text whose words agree most with the others wins."
    )
    return Ensemble("full-ensemble-majority", about, None, np.ones_like)


def full_weighted() -> Ensemble:
    """Returns the vote of all models, each weighted by the log-odds of its mean quality, as naive Bayes weighs it."""
    about = "Every model finishes its answer; the log-odds of its quality on the training prompts weigh its vote."
    return Ensemble("full-ensemble-weighted", about, None, _log_odds)


def prior_top(size: int) -> Ensemble:
    """Returns the vote of the `size` best models of the training prompts."""
    about = f"The {size} best models on the training prompts finish their answers and have one vote each."
    return Ensemble(f"prior-top-{size}", about, size, np.ones_like)


def _log_odds(prior: Floats) -> Floats:
    inside = np.clip(prior, 0.01, 0.99)
    # A model that is worse than chance keeps a small weight; a negative weight would be another policy.
    return np.asarray(np.maximum(np.log(inside / (1 - inside)) + np.log(9), 0.01), dtype=float)


class MixtureOfAgents(BestSingle):
    """All models finish; the best model on the training prompts reads all answers and writes one."""

    def __init__(self) -> None:
        super().__init__("moa-style")
        self.about = (
            "Every model finishes its answer; the best model on the training prompts reads all and writes one of the "
            "same length. No recording has that text, so the quality is not measured."
        )

    def decide_on(self, questions: Questions, index: int) -> Decision:
        """Books all answers and the aggregation."""
        calls = [whole(questions, index, model) for model in range(len(questions.models))]
        read = calls[self.model].input_tokens + sum(call.output_tokens for call in calls) + _INSTRUCTION_TOKENS
        return Decision([calls, [Call(self.model, read, calls[self.model].output_tokens)]], None, len(calls))


class Blender(Baseline):
    """All models finish; a small model ranks each pair, and another one fuses the best three."""

    name = "llm-blender-style"
    about = (
        "Every model finishes its answer, a small ranker reads each pair, and a small fuser reads the best three and "
        "writes one text of their mean length. No recording has that text, so the quality is not measured."
    )

    def decide_on(self, questions: Questions, index: int) -> Decision:
        """Books all answers, the pairs and the fusion; its models are trained elsewhere."""
        calls = [whole(questions, index, model) for model in range(len(questions.models))]
        prompt = calls[0].input_tokens
        pairs = [
            Call(_RANKER, prompt + left.output_tokens + right.output_tokens, 0)
            for left, right in combinations(calls, 2)
        ]
        length = round(float(questions.output_tokens[index].mean()))
        fused = min(_FUSED, len(calls))
        fuse = Call(_FUSER, prompt + fused * length + _INSTRUCTION_TOKENS, length)
        return Decision([calls, pairs, [fuse]], None, len(calls))
