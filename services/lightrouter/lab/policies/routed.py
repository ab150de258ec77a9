"""Policies that send prompts through the real router, selector and aggregator, over a recorded pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.lab.policies.engine import Engine, MakeSelector, default_selector, opened
from lightrouter.lab.policies.helpers import NO_HELPERS, Helpers
from lightrouter.pool.schema import CandidateEntry
from lightrouter.recording.prices import Price, PriceList
from lightrouter.recording.recording import pool_names
from lightrouter.router.rules import Defaults
from lightrouter.selector.learned import no_model
from lightrouter.v1.candidate_pb2 import Evaluation
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.ledger_pb2 import STAGE_AGGREGATE, STAGE_BOOT, STAGE_COMPLETE, STAGE_SELECT, LedgerEntry
from lightrouter.v1.policy_pb2 import HOLD_NEVER, HOLD_UNSPECIFIED, Policy
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN, Answer

_STAGES = (STAGE_BOOT, STAGE_SELECT, STAGE_COMPLETE, STAGE_AGGREGATE)
# A choice: far above any recorded text, so that none is cut.
_MOST_OUTPUT_TOKENS = 131_072
_NANOUSD = 1e9
# A choice: no route times out, however busy the machine is.
_SECONDS = 3600.0


class Routed:
    """Sends each prompt through the router.

    Attributes:
        selector: Makes the selector.
        priors: Prior qualities of the candidates, 0 to 1, in the order of the models.
        evaluations: The evaluations of the candidates, by name; may be empty.
        policy: The routing policy of each request.
    """

    def __init__(
        self,
        name: str,
        about: str,
        policy: Policy,
        prices: PriceList,
        selector: MakeSelector = default_selector,
        helpers: Helpers = NO_HELPERS,
        prepare: Callable[[], object] = no_model,
    ) -> None:
        """Takes the routing policy, the prices and the selector.

        Args:
            name: Its name in the report.
            about: What it does, in one sentence.
            policy: The routing policy of each request; unset fields take the router's defaults.
            prices: Prices of the candidates.
            selector: Makes the selector.
            helpers: Real models that judge and merge.
            prepare: Called before the first route, because training a selector takes longer than a route may.
        """
        self.name = name
        self.about = about
        self.boot_tokens = policy.boot_tokens
        self.selector = selector
        self.evaluations: Mapping[str, Evaluation] = {}
        self.policy = policy
        self._prices = prices
        self._helpers = helpers
        self._prepare = prepare
        self.priors: Sequence[float] = ()

    def fit(self, train: LabelledData) -> None:
        """Uses the mean qualities as the priors of the pool, and trains the selector."""
        self._prepare()
        self.priors = [float(prior) for prior in train.quality.mean(axis=0)]

    def decide(self, questions: Questions) -> list[Decision]:
        """Routes each prompt."""
        names = list(pool_names(questions.models).values())
        answers = asyncio.run(self._answers(questions, names))
        held = self.policy.hold not in (HOLD_UNSPECIFIED, HOLD_NEVER)
        most = self.boot_tokens if held else _MOST_OUTPUT_TOKENS
        return [_decision(questions, index, names, answer, most) for index, answer in enumerate(answers)]

    async def _answers(self, questions: Questions, names: Sequence[str]) -> list[Answer]:
        # The answers are the same with held calls, but AUTO depends on observed times: no run would repeat another.
        policy = Policy(candidates=names if self._helpers.entries else (), hold=HOLD_NEVER)
        policy.MergeFrom(self.policy)
        engine = Engine(
            questions.recording,
            [*entries(questions.models, self.priors, self._prices), *self._helpers.entries],
            defaults=Defaults(policy, _MOST_OUTPUT_TOKENS),
            selector=self.selector,
            judge=self._helpers.judge,
            synthesizer=self._helpers.synthesizer,
            evaluations=self.evaluations,
            seconds=_SECONDS,
        )
        async with opened(engine):
            return [await engine.route(prompt) for prompt in questions.recording.prompts]


def entries(models: Sequence[str], priors: Sequence[float], prices: PriceList) -> list[CandidateEntry]:
    """Returns the pool of recorded models, with their priors, 0 to 1, and prices."""
    return [
        _entry(name, model, prior, prices.of(model))
        for (model, name), prior in zip(pool_names(models).items(), priors, strict=True)
    ]


def _entry(name: str, model: str, prior: float, price: Price) -> CandidateEntry:
    return CandidateEntry.model_validate(
        {
            "name": name,
            "provider": "replay",
            "model": model,
            "recording": Path("recording"),
            "prior": prior,
            "prices": price.listed,
        }
    )


def _decision(questions: Questions, index: int, names: Sequence[str], answer: Answer, boot_tokens: int) -> Decision:
    indices = {name: position for position, name in enumerate(names)}
    calls = [each for entry in answer.ledger.entries for each in _cut(entry, boot_tokens)]
    stages = [[_call(entry, indices) for entry in calls if entry.stage == stage] for stage in _STAGES]
    if answer.selection.reason == SELECTION_REASON_GAIN or not stages[0]:
        # Each draft was asked for when the one before it had ended.
        stages[2:3] = [[call] for call in stages[2]] or [[]]
    texts = questions.texts[index]
    given = [indices[name] for name in answer.candidates if texts[indices[name]] == answer.text]
    return Decision(
        stages=stages,
        answer=given[0] if given else indices[answer.candidates[0]],
        k=len(answer.selection.chosen),
        chosen=[indices[name] for name in answer.selection.chosen],
        planned_usd=answer.selection.expected_cost_nanousd / _NANOUSD,
        boot_output_tokens=sum(call.output_tokens for call in stages[0]),
    )


def _cut(entry: LedgerEntry, boot_tokens: int) -> Iterator[LedgerEntry]:
    """Yields a held call as the calls of a route that does not hold it: its boot, and its completion if it went on."""
    rest = entry.usage.output_tokens - boot_tokens
    if entry.stage != STAGE_BOOT or rest <= 0:
        yield entry
        return
    if entry.went_on:
        usage = Usage(input_tokens=entry.usage.input_tokens + boot_tokens, output_tokens=rest)
        yield LedgerEntry(stage=STAGE_COMPLETE, candidate=entry.candidate, usage=usage)
    boot = LedgerEntry()
    boot.CopyFrom(entry)
    boot.usage.output_tokens = boot_tokens
    yield boot


def _call(entry: LedgerEntry, indices: dict[str, int]) -> Call:
    usage = entry.usage
    return Call(
        indices.get(entry.candidate, entry.candidate),
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
    )
