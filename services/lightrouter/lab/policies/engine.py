"""Runs the real router, selector, aggregator and adapters in this process, without gRPC, for speed.

The suite of one process (`lightrouter.suite`) over recordings: nothing is sent, traced or logged. Answers and ledgers
are the same except for their times.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from types import MappingProxyType
from typing import Final

from lightrouter.adapter.assemble import build_engine
from lightrouter.adapter.engine import Engine as Adapter
from lightrouter.adapter.providers.replay import Replay
from lightrouter.aggregator.assemble import build_aggregator
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.learned import artifact
from lightrouter.pool.schema import REPLAY, CandidateEntry, PublicPool
from lightrouter.recording.playback import Playback
from lightrouter.recording.recording import RecordedPrompt, Recording
from lightrouter.router.assemble import Services, build_router
from lightrouter.router.call_times import CallTimes
from lightrouter.router.events import Events
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.rules import Defaults, DriftRules
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.models import Models
from lightrouter.selector.assemble import build_selector
from lightrouter.selector.learned import CurrentModel
from lightrouter.selector.selector import Selector
from lightrouter.selector.settings import SelectorSettings
from lightrouter.suite.addresses import TEMPLATE
from lightrouter.suite.calls import DirectCalls
from lightrouter.suite.services import DirectAggregator, DirectModels, DirectSelector
from lightrouter.v1.candidate_pb2 import Evaluation
from lightrouter.v1.chat_pb2 import Sampling
from lightrouter.v1.policy_pb2 import Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Prompt, QuoteResponse

# A choice: recorded models answer at once, so no deadline of a stage is ever reached.
_SECONDS: Final = 120.0
# The protos allow seeds below this (Sampling.seed).
_SEEDS: Final = 2**31

MakeSelector = Callable[[Models], Selector]
"""Makes the selector, from the models that its judge may call."""


def default_selector(models: Models) -> Selector:
    """Returns the service's selector with default settings."""
    return selector_with(cache(lambda: artifact.load(artifact.GENERAL).model))(models)


def selector_with(model: CurrentModel) -> MakeSelector:
    """Returns a factory of the service's selector with a trained model."""

    def make(models: Models) -> Selector:
        return build_selector(SelectorSettings.model_construct(), models, model)

    return make


def to_prompt(prompt: Prompt | RecordedPrompt, policy: Policy | None) -> Prompt:
    """Returns the prompt with unset policy fields from `policy`; a recorded prompt gets a seed from its id."""
    if isinstance(prompt, RecordedPrompt):
        sampling = Sampling(seed=zlib.crc32(prompt.id.encode()) % _SEEDS)
        return Prompt(messages=prompt.messages, sampling=sampling, policy=policy)
    if policy is None:
        return prompt
    merged = Prompt(policy=policy)
    merged.MergeFrom(prompt)
    return merged


class _UsualWaits(CallTimes):
    """Expects of every held call what a router expects that has observed none.

    Recorded models answer at once, so what is observed of their waits is chance, and no run would plan as another did.
    """

    def overshoot_tokens(self, candidate: str, strategy: SelectorStrategy.ValueType) -> float:
        """See `CallTimes.overshoot_tokens`."""
        return CallTimes().overshoot_tokens(candidate, strategy)


class Engine:
    """A suite in this process over recorded candidates. Create and use it on one event loop."""

    def __init__(
        self,
        recording: Recording,
        entries: Sequence[CandidateEntry],
        *,
        defaults: Defaults | None = None,
        selector: MakeSelector = default_selector,
        judge: str | None = None,
        synthesizer: str | None = None,
        drift: DriftRules | None = None,
        evaluations: Mapping[str, Evaluation] = MappingProxyType({}),
        seconds: float = _SECONDS,
    ) -> None:
        """Takes the recording, the pool and what would be the services' settings.

        Args:
            recording: Answers of candidates of provider `replay`, for any file that their entries name.
            entries: The pool. Candidates of other providers are called for real.
            defaults: Routing defaults; None for those of the service.
            selector: Makes the selector.
            judge: Name of the candidate that judges for the selector `llm`.
            synthesizer: Name of the candidate that merges for the aggregator `synthesize`.
            drift: When the router puts a candidate on probation; None for never, so that no answer depends on earlier
                ones.
            evaluations: Evaluations of candidates, by name.
            seconds: The time limit of a route.

        Raises:
            EntryError: An entry cannot be used.
            NotRecordedError: The recording has no response of an entry's model.
        """
        self._entries = {entry.name: entry for entry in entries}
        self._adapters = {entry.name: _adapter(entry, recording) for entry in entries}
        self._seconds = seconds
        calls = DirectCalls()
        models: Models = DirectModels(calls, lambda name: self._adapters[name])
        self.models = models
        """The candidates' models."""
        candidates = [entry.to_proto(entry.target(TEMPLATE)) for entry in entries]
        for candidate in candidates:
            if candidate.name in evaluations:
                candidate.evaluation.CopyFrom(evaluations[candidate.name])
        self.traffic = TrafficMonitor(drift or DriftRules(minimum=len(entries)))
        self.traffic.follow(PoolSnapshot.from_candidates(candidates, judge, synthesizer))
        """The router's view of its candidates."""
        # The seed is fixed, so that exploration and with it the experiment are repeatable.
        chance = random.Random(0)  # noqa: S311 - chance, no secret
        services = Services(
            models,
            DirectSelector(calls, selector(models)),
            DirectAggregator(calls, build_aggregator(AggregatorSettings.model_construct(), models)),
        )
        defaults = defaults or RouterSettings.model_construct().defaults
        self._router = build_router(
            services,
            self.traffic,
            defaults,
            new_seed=lambda: chance.randrange(_SEEDS),
            circuits=False,
            times=_UsualWaits(),
        )

    async def route(
        self, prompt: Prompt | RecordedPrompt, policy: Policy | None = None, events: Events | None = None
    ) -> Answer:
        """Returns the answer.

        Args:
            prompt: A prompt that is valid by the rules of the protos; a recorded one gets a seed from its id.
            policy: Policy fields that the prompt leaves unset; valid as well.
            events: Watches the route; None if nobody does.

        Raises:
            ServiceError: The request cannot be served, or no candidate delivered.
        """
        return await self._router.route(to_prompt(prompt, policy), Deadline.after(self._seconds), events or Events())

    async def quote(self, prompt: Prompt | RecordedPrompt, policy: Policy | None = None) -> QuoteResponse:
        """Returns what the answer is expected to cost; for the arguments see `route`."""
        return await self._router.quote(to_prompt(prompt, policy), Deadline.after(self._seconds))

    def follow(self, pool: PublicPool) -> None:
        """Takes the states and the evaluations of `pool`, which has the same candidates."""
        self.traffic.follow(PoolSnapshot.of(pool, TEMPLATE))

    def replace(self, name: str, recording: Recording) -> None:
        """Makes a candidate of provider `replay` answer from another recording from now on.

        Raises:
            NotRecordedError: The recording has no response of its model.
        """
        self._adapters[name] = _adapter(self._entries[name], recording)

    async def aclose(self) -> None:
        """Closes the connections of candidates that are called for real."""
        await asyncio.gather(*(adapter.finish() for adapter in self._adapters.values()))


@asynccontextmanager
async def opened(engine: Engine) -> AsyncIterator[Engine]:
    """Yields the engine and closes it at the end."""
    try:
        yield engine
    finally:
        await engine.aclose()


async def answers(engine: Engine, prompts: Iterable[RecordedPrompt], policy: Policy) -> list[Answer]:
    """Returns the answers to recorded prompts, one after the other."""
    return [await engine.route(prompt, policy) for prompt in prompts]


def _adapter(entry: CandidateEntry, recording: Recording) -> Adapter:
    if entry.provider == REPLAY:
        return build_engine(entry, Replay(entry, Playback(recording, entry.model)))
    return build_engine(entry)
