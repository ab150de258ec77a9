"""The paper's LightRouter: every candidate boots, a judge ranks, two go on, a model always merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.baselines.single import best
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.lab.policies.routed import Routed
from lightrouter.recording.prices import PriceList
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_VOTE,
    SELECTOR_STRATEGY_CONSENSUS,
    AnswerPattern,
    Policy,
)

NAME = "lightrouter-paper"
# Two drafts go on, as by default in the router.
_K = 2
# A choice: tokens that judge and synthesizer read in addition to the texts, and that the judge writes on each partial.
_INSTRUCTION_TOKENS = 200
_VERDICT_TOKENS = 25

ABOUT = (
    "Every candidate boots, a judge model ranks the partials, two candidates continue, and a model always merges their "
    "drafts. Judge and synthesizer cost as much as calls of the best model on the training prompts. No recording has "
    "their texts, so the ranking is by consensus, and the quality is that of the vote if the drafts can be compared, "
    "else that of the better-ranked draft."
)


class Paper:
    """The paper's method, as far as a recording can replay it."""

    name = NAME
    about = ABOUT

    def __init__(self, boot_tokens: int, k: int | None, pattern: AnswerPattern | None, prices: PriceList) -> None:
        """Boots with `boot_tokens` tokens; `k` candidates go on, None for the paper's two."""
        policy = Policy(
            boot_tokens=boot_tokens,
            k=k or _K,
            selector=SELECTOR_STRATEGY_CONSENSUS,
            aggregator=AGGREGATOR_STRATEGY_VOTE if pattern else AGGREGATOR_STRATEGY_BEST,
            margin=1,
            agreement=1,
            quorum=1,
            answer_pattern=pattern,
        )
        self.boot_tokens = boot_tokens
        self._route = Routed(NAME, ABOUT, policy, prices)
        self._helper = 0

    def fit(self, train: LabelledData) -> None:
        """Chooses the model that judges and merges, and sets the priors."""
        self._helper = best(train)
        self._route.fit(train)

    def decide(self, questions: Questions) -> list[Decision]:
        """Routes each prompt and adds the calls of judge and synthesizer."""
        routed = self._route.decide(questions)
        return [self._with_helpers(questions, index, decision) for index, decision in enumerate(routed)]

    def _with_helpers(self, questions: Questions, index: int, decision: Decision) -> Decision:
        boots, _, completions, _ = decision.stages
        prompt = int(questions.input_tokens[index, self._helper]) + _INSTRUCTION_TOKENS
        judge = Call(self._helper, prompt + decision.boot_output_tokens, _VERDICT_TOKENS * len(boots))
        drafts = [self._draft_tokens(boots, completions, chosen) for chosen in decision.chosen]
        merge = Call(self._helper, prompt + sum(drafts), round(sum(drafts) / len(drafts)))
        return replace(decision, stages=[boots, [judge], completions, [merge]])

    @staticmethod
    def _draft_tokens(boots: Sequence[Call], completions: Sequence[Call], model: int) -> int:
        return sum(call.output_tokens for call in [*boots, *completions] if call.model == model)
