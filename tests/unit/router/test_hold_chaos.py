"""Ten thousand routes whose models, selectors and callers fail at random: nothing is left over, and all adds up."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from itertools import groupby
from random import Random

from lightrouter.router.held import HeldStream
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError, deadline_exceeded
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.runtime.tokens import most_messages_tokens
from lightrouter.v1.adapter_pb2 import (
    GenerateResponse,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateResponse,
)
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, CONTINUATION_TRAILING, ModelTarget
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP, Usage
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COST_CEILING, Degradation, Ledger
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    HOLD_ALWAYS,
    HOLD_AUTO,
    HOLD_NEVER,
)
from lightrouter.v1.router_pb2 import Answer, Prompt
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from tests.unit.router.builders import failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector
from tests.unit.router.observing import Recorder

ROUTES = 5_000
AT_ONCE = 250
SEED = 11
WORDS = 6
POOL = snapshot(
    pool_candidate("a", prior=0.9),
    pool_candidate("b", prior=0.6),
    pool_candidate("c", prior=0.3, continuation=CONTINUATION_NONE),
    pool_candidate("d", prior=0.1, continuation=CONTINUATION_TRAILING),
)
TEXTS = {name: [f"{name}{number} " for number in range(WORDS)] for name in POOL.candidates}
FATES = ("good", "good", "good", "slow", "before", "at", "behind", "hangs", "hangs behind")


async def turns(count: int) -> None:
    """Lets other tasks run this many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def hang(deadline: Deadline) -> None:
    try:
        async with asyncio.timeout(max(0.0, deadline.remaining())):
            await asyncio.Event().wait()
    except TimeoutError:
        raise deadline_exceeded("the deadline passed") from None


class ChaosModels(FakeModels):
    """Models that write their own text and meet a fate of their own in each call."""

    def __init__(self) -> None:
        super().__init__(POOL)
        self.begun: dict[str, Counter[str]] = {}
        """The calls that began, by prompt and by candidate."""
        self.open = 0

    def _begins(self, generation: Generation) -> tuple[Random, str]:
        """Counts a call; returns its chance and its fate."""
        question, name = generation.messages[0].content, generation.candidate
        begun = self.begun.setdefault(question, Counter())
        begun[name] += 1
        chance = Random(f"{SEED}:{question}:{name}:{begun[name]}")
        fate = chance.choice(FATES)
        return chance, "behind" if fate.startswith("hangs") and not is_short(question) else fate

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        text: list[str] = []
        restarted, result = False, GenerationResult()
        async with aclosing(self.stream(target, generation, deadline)) as responses:
            async for response in responses:
                text.append(response.chunk.text)
                restarted |= response.chunk.restarted
                result = response.result
        return GenerateResponse(text="".join(text), restarted=restarted, result=result)

    async def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        chance, fate = self._begins(generation)
        self.open += 1
        try:
            async with aclosing(self._written(generation, chance, fate, deadline, checkpoint_tokens)) as responses:
                async for response in responses:
                    yield response
        finally:
            self.open -= 1

    async def _written(
        self, generation: Generation, chance: Random, fate: str, deadline: Deadline, checkpoint_tokens: int
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        name, limit = generation.candidate, generation.sampling.max_output_tokens
        entry = POOL.candidates[name]
        prefilled = generation.prefix.count(" ")
        restarted = bool(prefilled) and entry.continuation == CONTINUATION_NONE
        done = 0 if restarted else prefilled
        words = TEXTS[name][done : done + limit + (prefilled if restarted else 0)]
        breaks = min(checkpoint_tokens or chance.randrange(WORDS), len(words))
        breaks += {"before": -1, "hangs": -1}.get(fate, 0) + (chance.randrange(3) if fate.endswith("behind") else 0)

        def result(written: int, *, ended: bool) -> GenerationResult:
            usage = Usage(input_tokens=most_messages_tokens(generation.messages) + done, output_tokens=written)
            return GenerationResult(
                finish_reason=FINISH_REASON_STOP if ended else FINISH_REASON_LENGTH,
                usage=usage,
                cost_nanousd=cost_nanousd(entry.prices, usage),
            )

        for written in range(len(words) + 1):
            if written and written == checkpoint_tokens and len(words) > written:
                yield StreamGenerateResponse(checkpoint=result(written, ended=False))
            if written == max(0, breaks) and fate not in {"good", "slow"}:
                await turns(chance.randrange(20))
                if fate.startswith("hangs"):
                    await hang(deadline)
                raise failure()
            if written == len(words):
                break
            await turns(chance.randrange(12) if fate == "slow" else 0)
            chunk = GenerationChunk(text=words[written], restarted=restarted and not written)
            yield StreamGenerateResponse(chunk=chunk)
        yield StreamGenerateResponse(result=result(len(words), ended=done + len(words) >= WORDS))


class ChaosSelector(FakeSelector):
    """Ranks at random, after any time, or not at all."""

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        question = request.messages[0].content
        chance = Random(f"{SEED}:{question}")
        await turns(chance.randrange(40))
        if chance.random() < 0.05:
            raise failure("no ranking")
        if chance.random() < 0.1 and is_short(question):
            await hang(deadline)
        if deadline.expired:
            raise deadline_exceeded("no time is left")
        self.scores = {name: chance.random() for name in POOL.candidates}
        return await super().select(request, deadline)


class ChaosAggregator(FakeAggregator):
    """Merges unless the time is over, or it fails in the middle."""

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        if deadline.expired:
            raise deadline_exceeded("no time is left")
        chance = Random(f"{SEED}:{request.messages[0].content}:merge")
        self.error = failure("no answer") if chance.random() < 0.2 else None
        self.error_after = chance.randrange(3)
        async with aclosing(super().aggregate(request, deadline)) as responses:
            async for response in responses:
                yield response


def is_short(question: str) -> bool:
    """Returns whether the route has little time, so that its calls may hang."""
    return int(question.rsplit(maxsplit=1)[-1]) % 5 == 0


def asked_of(number: int, chance: Random) -> Prompt:
    asked = prompt(
        f"Prompt {number}",
        hold=chance.choice((HOLD_ALWAYS, HOLD_AUTO, HOLD_NEVER)),
        k=chance.choice((1, 1, 2, 3)),
        quorum=chance.choice((0.5, 0.75)) if number % 5 else 1.0,
        aggregator=chance.choice((AGGREGATOR_STRATEGY_BEST, AGGREGATOR_STRATEGY_SYNTHESIZE)),
        boot_tokens=chance.randrange(1, 5),
        margin=1.0,
        agreement=1.0,
    )
    if chance.random() < 0.4:
        asked.policy.max_cost_nanousd = chance.randrange(100, 500)
    return asked


async def one_route(number: int, models: ChaosModels) -> None:
    """Runs a route and checks all that can be said of it."""
    chance = Random(f"{SEED}:{number}")
    asked = asked_of(number, chance)
    log = EventLog(partials=chance.random() < 0.5) if chance.random() < 0.5 else EventLog(text=False)
    recorder = Recorder()
    made = router(models, ChaosSelector(), ChaosAggregator(), observers=[recorder], draws=iter((number,)))
    deadline = Deadline.after(0.05 if number % 5 == 0 else 600)
    route = asyncio.create_task(made.route(asked, deadline, log))
    if chance.random() < 0.15:
        await turns(chance.randrange(1, 60))
        route.cancel()
    await asyncio.wait((route,))
    begun = models.begun.pop(f"Prompt {number}", Counter())
    (record,) = recorder.records
    check_ledger(record.ledger.to_proto(), begun, asked)
    if route.cancelled():
        return
    try:
        answer = route.result()
    except ServiceError:
        return
    check_text(answer, log)


def check_ledger(ledger: Ledger, begun: Counter[str], asked: Prompt) -> None:
    lines = Counter(line.candidate for line in ledger.entries)
    whole = Counter(line.candidate for line in ledger.entries if not line.HasField("failure"))
    # A call that ended before it began has a line that says so; no other line stands for no call.
    assert begun <= lines, (begun, lines)
    assert whole <= begun, (begun, whole)
    assert ledger.cost_nanousd == sum(line.cost_nanousd for line in ledger.entries)
    if asked.policy.HasField("max_cost_nanousd"):
        assert ledger.cost_nanousd <= asked.policy.max_cost_nanousd


def check_text(answer: Answer, log: EventLog) -> None:
    if log.wants_text:
        assert log.text == answer.text
    if answer.text.startswith("["):
        drafts = dict(zip(answer.candidates, map(words, answer.text[1:-1].split("][")), strict=True))
        short = [name for name, draft in drafts.items() if draft != TEXTS[name]]
        assert all(drafts[name] == TEXTS[name][: len(drafts[name])] for name in short)
        assert set(short) <= {each.candidate for each in answer.degraded if is_ceiling(each)}
        return
    parts = words(answer.text)
    # Each candidate in turn wrote a part of one text.
    assert [name for name, _ in groupby(part[0] for part in parts)] == list(answer.candidates)
    assert [int(part[1:]) for part in parts] == list(range(len(parts)))
    if not log.wants_text:
        assert len(answer.candidates) == 1
    if answer.finish_reason == FINISH_REASON_STOP:
        assert len(parts) == WORDS
    else:
        assert any(map(is_ceiling, answer.degraded))


def is_ceiling(degradation: Degradation) -> bool:
    return degradation.reason == DEGRADED_REASON_COST_CEILING


def words(text: str) -> list[str]:
    return [f"{word} " for word in text.split()]


@contextmanager
def watching_generators() -> Iterator[list[object]]:
    """Collects the asynchronous generators that nobody closed."""
    left: list[object] = []
    hooks = sys.get_asyncgen_hooks()
    assert hooks.finalizer
    finalize = hooks.finalizer

    def finalizer(generator: AsyncGenerator[object, object]) -> None:
        left.append(generator)
        finalize(generator)

    sys.set_asyncgen_hooks(firstiter=hooks.firstiter, finalizer=finalizer)
    try:
        yield left
    finally:
        sys.set_asyncgen_hooks(*hooks)


# Some 18 s of CPU: what goes wrong in one of a thousand routes is seen only in many.
async def test_routes_whose_calls_fail_at_random_leave_nothing_and_add_up() -> None:
    models = ChaosModels()
    before = asyncio.all_tasks()
    with watching_generators() as left:
        for first in range(0, ROUTES, AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for number in range(first, first + AT_ONCE):
                    group.create_task(one_route(number, models))
        await turns(3)
        gc.collect()
    assert asyncio.all_tasks() == before
    assert models.open == 0
    assert left == []
    assert not [each for each in gc.get_objects() if isinstance(each, HeldStream)]
