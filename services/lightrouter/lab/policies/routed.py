"""Policies that send prompts through the real router, selector and aggregator, over a recorded pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.lab.policies.engine import Engine, MakeSelector, default_selector, opened
from lightrouter.lab.policies.helpers import NO_HELPERS, Helpers
from lightrouter.pool import replayed
from lightrouter.pool.schema import CandidateEntry
from lightrouter.recording.prices import PriceList
from lightrouter.recording.recording import RecordedPrompt, pool_names
from lightrouter.router.events import Events
from lightrouter.router.rules import Defaults
from lightrouter.router.settings import RouterSettings
from lightrouter.selector.learned import no_model
from lightrouter.v1.candidate_pb2 import Evaluation, Partial
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.ledger_pb2 import STAGE_AGGREGATE, STAGE_BOOT, STAGE_COMPLETE, STAGE_SELECT, LedgerEntry
from lightrouter.v1.policy_pb2 import HOLD_ALWAYS, HOLD_NEVER, Policy
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN, Answer, Selection

_STAGES = (STAGE_BOOT, STAGE_SELECT, STAGE_COMPLETE, STAGE_AGGREGATE)
# A choice: far above any recorded text, so that none is cut.
_MOST_OUTPUT_TOKENS = 131_072
_NANOUSD = 1e9
# A choice: no route times out, however busy the machine is.
_SECONDS = 3600.0

Boots = Mapping[str, int]
"""The tokens of the boots of a route, by candidate."""


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
        held = self.policy.hold == HOLD_ALWAYS
        found = (_decision(questions, index, names, *answer) for index, answer in enumerate(answers))
        return [replace(decision, held=held) for decision in found]

    async def _answers(self, questions: Questions, names: Sequence[str]) -> list[tuple[Answer, Boots]]:
        # The answers are the same with held calls, but AUTO depends on observed times: no run would repeat another.
        policy = Policy(
            candidates=names if self._helpers.entries else (),
            hold=HOLD_NEVER,
            boot_tokens=RouterSettings.model_construct().boot_tokens,
        )
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
            return [await _answer(engine, prompt) for prompt in questions.recording.prompts]


class _Watched(Events):
    """Notes the tokens at which each boot call ended or was held."""

    def __init__(self) -> None:
        self.boots: dict[str, int] = {}

    def booted(self, partial: Partial, entry: LedgerEntry) -> None:
        """See `Events.booted`."""
        self.boots[partial.candidate] = entry.usage.output_tokens


async def _answer(engine: Engine, prompt: RecordedPrompt) -> tuple[Answer, Boots]:
    events = _Watched()
    return await engine.route(prompt, events=events), events.boots


def entries(models: Sequence[str], priors: Sequence[float], prices: PriceList) -> list[CandidateEntry]:
    """Returns the pool of recorded models, with their priors, 0 to 1, and prices."""
    return [CandidateEntry.model_validate(each) for each in replayed.entries("recording", models, priors, prices)]


def _decision(questions: Questions, index: int, names: Sequence[str], answer: Answer, boots: Boots) -> Decision:
    indices = {name: position for position, name in enumerate(names)}
    calls = [each for entry in answer.ledger.entries for each in _cut(entry, boots)]
    boot, select, complete, aggregate = ([entry for entry in calls if entry.stage == stage] for stage in _STAGES)
    entries = [boot, select, *_in_turn(complete, answer.selection, booted=bool(boot)), aggregate]
    texts = questions.texts[index]
    given = [indices[name] for name in answer.candidates if texts[indices[name]] == answer.text]
    return Decision(
        stages=[[_call(entry, indices) for entry in stage] for stage in entries],
        answer=given[0] if given else indices[answer.candidates[0]],
        k=len(answer.selection.chosen),
        chosen=[indices[name] for name in answer.selection.chosen],
        planned_usd=answer.selection.expected_cost_nanousd / _NANOUSD,
        boot_output_tokens=sum(entry.usage.output_tokens for entry in boot),
    )


def _in_turn(completions: list[LedgerEntry], selection: Selection, *, booted: bool) -> list[list[LedgerEntry]]:
    """Returns the completions by the stages in which they were asked for, at least one: together, or one by one."""
    if booted and selection.HasField("expected_cost_nanousd"):
        # Under worth one boot goes on, and each further answer was asked for when the one before it had ended.
        going_on = [entry for entry in completions if entry.went_on]
        return [going_on, *([entry] for entry in completions if not entry.went_on)]
    if selection.reason == SELECTION_REASON_GAIN or not booted:
        return [[entry] for entry in completions] or [[]]
    return [completions]


def _cut(entry: LedgerEntry, boots: Boots) -> Iterator[LedgerEntry]:
    """Yields a held call as the calls of a route that does not hold it: its boot, and its completion if it went on."""
    boot_tokens = boots.get(entry.candidate, 0)
    rest = entry.usage.output_tokens - boot_tokens
    if entry.stage != STAGE_BOOT or rest <= 0:
        yield entry
        return
    if entry.went_on:
        usage = Usage(input_tokens=entry.usage.input_tokens + boot_tokens, output_tokens=rest)
        yield LedgerEntry(stage=STAGE_COMPLETE, candidate=entry.candidate, usage=usage, went_on=True)
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
