"""Ranks partials by one strategy; if it fails or scores nothing, by their priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lightrouter.answers.actions import plain_text
from lightrouter.answers.agreement import compare
from lightrouter.answers.extract import check
from lightrouter.answers.pieces import PIECE, Pieces, Workers
from lightrouter.learned.model import Model
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.enums import label
from lightrouter.runtime.errors import invalid
from lightrouter.selector.calls import broken, is_whole, with_actions, with_calls_shown
from lightrouter.selector.learned import CurrentModel, no_model, prompt_text, written
from lightrouter.selector.outright import asked_outright, described, first_steps
from lightrouter.selector.prior import Prior
from lightrouter.selector.ranking import ranking, without
from lightrouter.selector.strategy import RankingInput, Scores, Strategy, StrategyFailedError
from lightrouter.v1.candidate_pb2 import RankedCandidate
from lightrouter.v1.ledger_pb2 import Degradation
from lightrouter.v1.policy_pb2 import AnswerPattern, SelectorStrategy
from lightrouter.v1.selector_pb2 import (
    SelectRequest,
    SelectResponse,
    ShortlistRequest,
    ShortlistResponse,
)


class Selector:
    """Ranks partials by the strategy that a request asks for."""

    def __init__(
        self,
        strategies: Mapping[SelectorStrategy.ValueType, Strategy],
        default: SelectorStrategy.ValueType,
        model: CurrentModel = no_model,
        workers: Workers | None = None,
    ) -> None:
        """Ranks by `strategies`.

        Args:
            strategies: The strategies.
            default: The strategy of requests that name none.
            model: Returns what makes shortlists; they are made by prior without a model.
            workers: Run comparisons and the model; None for threads of its own.
        """
        self._strategies = strategies
        self._default = default
        self._model = model
        self._workers = workers or Workers()
        self._prior = Prior()

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of all partials; by prior if the strategy fails or scores nothing.

        Raises:
            ServiceError: INVALID_ARGUMENT for two partials of one candidate, a candidate that is among `unasked` too,
                a pattern that RE2 refuses, or a strategy that this selector does not have.
        """
        asked = request.strategy or self._default
        strategy = self._strategies.get(asked)
        if strategy is None:
            raise invalid("strategy", f"{label(SelectorStrategy, asked)} is not a strategy of this selector")
        names = [each.candidate for each in request.partials]
        _refuse_repeated(names, "partials")
        _refuse_repeated([each.candidate for each in request.unasked], "unasked", names)
        ranking_input = await self._ranking_input(request)
        degraded: list[Degradation] = []
        try:
            scored = await strategy.judge(ranking_input, deadline)
        except StrategyFailedError as failure:
            scored = Scores({}, entries=failure.entries)
            degraded.append(Degradation(reason=failure.reason, message=failure.message))
        entries = scored.entries
        degraded.extend(scored.degraded)
        asked = scored.strategy or asked
        if not scored.scores:
            asked = SelectorStrategy.SELECTOR_STRATEGY_PRIOR
            scored = await self._prior.judge(ranking_input, deadline)
        ranked = ranking(request.partials, without(scored, ranking_input.broken))
        ranked.agreement = _agreement(ranking_input, ranked.candidates[0].candidate)
        learned = asked == SelectorStrategy.SELECTOR_STRATEGY_LEARNED
        model = self._model() if learned and request.HasField("worth_nanousd") else None
        return SelectResponse(
            ranking=ranked,
            strategy=asked,
            entries=entries,
            degraded=degraded,
            expected_quality=ranked.candidates[0].score if learned else None,
            unasked=await self._workers.run(_further_steps(model, request)) if model else (),
        )

    async def shortlist(self, request: ShortlistRequest) -> ShortlistResponse:
        """Returns the candidates by their expected quality for this prompt, best first; by prior without a model.

        If the request says what a right answer is worth, and the model knows gains and the candidates, the order is by
        what asking each outright is worth after its cost. Equal candidates keep their order.

        Raises:
            ServiceError: INVALID_ARGUMENT if a candidate is named twice.
        """
        _refuse_repeated([each.candidate for each in request.candidates], "candidates")
        model = self._model()
        if model is None:
            expected = [each.prior for each in request.candidates]
        else:
            if request.HasField("worth_nanousd"):
                steps = await self._workers.run(_first_steps(model, request))
                if steps:
                    return ShortlistResponse(candidates=steps)
            expected = await self._workers.run(_expected(model, request))
        ranked = sorted(zip(request.candidates, expected, strict=True), key=lambda pair: -pair[1])
        return ShortlistResponse(
            candidates=[RankedCandidate(candidate=each.candidate, score=score) for each, score in ranked]
        )

    async def _ranking_input(self, request: SelectRequest) -> RankingInput:
        pattern: AnswerPattern | None = request.answer_pattern if request.HasField("answer_pattern") else None
        if pattern is not None:
            check(pattern)
        visible = [with_calls_shown(each) for each in request.partials if each.text.strip() or each.tool_calls]
        texts = [partial.text for partial in visible]
        complete = [is_whole(partial) for partial in visible]
        messages = [plain_text(message) for message in request.messages]
        compared = await self._workers.run(compare(texts, complete, pattern, messages))
        compared = with_actions(compared, [partial.tool_calls for partial in visible])
        out = await self._workers.run(broken(request.partials, request.output))
        voters = [place for place in compared.voters if visible[place].candidate not in out]
        return RankingInput(request, visible, replace(compared, voters=voters), out)


def _expected(model: Model, request: ShortlistRequest) -> Pieces[list[float]]:
    candidates = [described(each) for each in request.candidates]
    # Reading a prompt of a megabyte is long work from its first step on.
    yield PIECE
    return model.expected(prompt_text(request.messages), candidates)


def _first_steps(model: Model, request: ShortlistRequest) -> Pieces[list[RankedCandidate]]:
    yield PIECE
    return first_steps(
        model,
        prompt_text(request.messages),
        request.candidates,
        request.worth_nanousd,
        request.most_answers,
        first_step_only=request.first_step_only,
    )


def _further_steps(model: Model, request: SelectRequest) -> Pieces[list[RankedCandidate]]:
    pattern = request.answer_pattern if request.HasField("answer_pattern") else None
    answers = written([partial for partial in request.partials if partial.text.strip() or partial.tool_calls])
    yield PIECE
    return asked_outright(
        model, prompt_text(request.messages), answers, request.unasked, request.worth_nanousd, pattern
    )


def _refuse_repeated(names: Sequence[str], field: str, others: Sequence[str] = ()) -> None:
    seen = set(others)
    for index, name in enumerate(names):
        if name in seen:
            raise invalid(f"{field}[{index}].candidate", f"{name} is named twice")
        seen.add(name)


def _agreement(ranking_input: RankingInput, best: str) -> float:
    """Returns the agreement of the visible partials, 0 to 1; 0 if the best-ranked partial gives no answer.

    A single visible partial has agreement 1 if it is the only partial, and 0 if others are empty. If the best-ranked
    partial refuses, the agreement of the others is not about its answer.
    """
    if len(ranking_input.visible) < 2:
        return float(len(ranking_input.request.partials) == 1)
    voters = {ranking_input.visible[place].candidate for place in ranking_input.compared.voters}
    return min(ranking_input.compared.agreed, 1.0) if best in voters else 0.0
