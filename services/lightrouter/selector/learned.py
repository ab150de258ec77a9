"""Ranks by a model trained on recorded outcomes. Costs no tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from lightrouter.answers.actions import groups, plain_text
from lightrouter.answers.pieces import PIECE, Pieces, Workers
from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.model import Estimate, Model
from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.calls import is_whole, with_calls_shown
from lightrouter.selector.strategy import RankingInput, Scores, Strategy
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ChatMessage
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest

CurrentModel: TypeAlias = Callable[[], Model | None]
"""Returns the current model; None if there is no usable one."""


def no_model() -> None:
    """Returns None: there is no model."""


class Learned:
    """The score is the expected quality of the candidate's answer, 0 to 1."""

    def __init__(self, current: CurrentModel, fallback: Strategy, workers: Workers | None = None) -> None:
        """Ranks by a model.

        Args:
            current: Returns the model.
            fallback: Ranks if there is none: the consensus.
            workers: Run the model; None for threads of its own.
        """
        self._current = current
        self._fallback = fallback
        self._workers = workers or Workers()

    async def judge(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores and gains of all partials; the consensus scores if there is no model."""
        model = self._current()
        if model is None:
            return await self._without_model(ranking_input, deadline)
        request = ranking_input.request
        estimated = await self._workers.run(_estimates(model, request))
        estimates = dict(zip((partial.candidate for partial in request.partials), estimated, strict=True))
        return Scores(
            scores={name: each.quality for name, each in estimates.items()},
            rationales={name: _rationale(each) for name, each in estimates.items()},
            gains={name: each.gain for name, each in estimates.items()},
            tokens={name: each.tokens for name, each in estimates.items() if each.tokens is not None},
        )

    async def _without_model(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        message = "There is no artifact to rank with; the candidates were ranked by consensus."
        missing = Degradation(reason=DegradedReason.DEGRADED_REASON_ARTIFACT_MISSING, message=message)
        scored = await self._fallback.judge(ranking_input, deadline)
        return replace(scored, strategy=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS, degraded=[missing])


def _rationale(estimate: Estimate) -> str:
    reasons = f"; {estimate.reasons}" if estimate.reasons else ""
    return f"Expected to be {estimate.quality:.0%} good{reasons}."


def prompt_text(messages: Iterable[ChatMessage]) -> str:
    """Returns a conversation as one text, as the features are computed from it."""
    return "\n\n".join(map(plain_text, messages))


def _estimates(model: Model, request: SelectRequest) -> Pieces[list[Estimate]]:
    pattern = request.answer_pattern if request.HasField("answer_pattern") else None
    partials = written(request.partials)
    # The model has no pieces: it is long work from its first step on.
    yield PIECE
    return model.estimates(prompt_text(request.messages), partials, pattern)


def written(partials: Sequence[Partial]) -> list[PartialAnswer]:
    """Returns what the candidates wrote as the model reads it: calls that agree so far are the same answer."""
    return [
        PartialAnswer(
            candidate=Candidate(partial.model or partial.candidate, partial.prior, partial.evaluated_prompts),
            text=with_calls_shown(partial).text,
            complete=is_whole(partial),
            action=group,
        )
        for partial, group in zip(partials, groups([partial.tool_calls for partial in partials]), strict=True)
    ]
