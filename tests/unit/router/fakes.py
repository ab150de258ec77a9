"""Scripted collaborators of the router, which record their requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field

from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError, deadline_exceeded
from lightrouter.runtime.ledger import cost_nanousd, duration
from lightrouter.runtime.tokens import most_messages_tokens
from lightrouter.v1.adapter_pb2 import (
    GenerateResponse,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateResponse,
)
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse, AggregateResult, AnswerChunk
from lightrouter.v1.candidate_pb2 import (
    ACTION_ASK,
    ACTION_BOOT,
    CONTINUATION_NONE,
    ActionValue,
    ModelTarget,
    RankedCandidate,
    Ranking,
)
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FinishReason,
    Usage,
)
from lightrouter.v1.ledger_pb2 import LedgerEntry, Stage
from lightrouter.v1.selector_pb2 import (
    SelectRequest,
    SelectResponse,
    ShortlistCandidate,
    ShortlistRequest,
    ShortlistResponse,
)

CONTINUATION = b"continuation of "


@dataclass
class Model:
    """A model that writes `words`, one token each, and its faults in each stage.

    Attributes:
        words: The whole answer; each word brings its white space.
        fails: The error that a stage's call ends with.
        fails_after: Words that a stream sends before it fails.
        hangs: Stages whose calls never end.
        hidden: Tokens of hidden reasoning before the first word.
        ends: The reported end of a stage's call, if it is not the one that its words imply.
        seconds: The reported time of each call; 0: not reported.
        forgets: Whether its provider writes anew what it is given to go on from, whatever its entry says.
        says_it_late: Whether only the end of a streamed text shows that it was written anew.
        least_tokens: The smallest token limit that its provider takes.
        dies: The error with which a held call ends after its checkpoint.
    """

    words: Sequence[str] = ("one ", "two ", "three ", "four ")
    fails: dict[Stage.ValueType, ServiceError] = field(default_factory=dict)
    fails_after: int = 0
    hangs: set[Stage.ValueType] = field(default_factory=set)
    hidden: int = 0
    ends: dict[Stage.ValueType, FinishReason.ValueType] = field(default_factory=dict)
    seconds: float = 0.0
    forgets: bool = False
    says_it_late: bool = False
    least_tokens: int = 0
    dies: ServiceError | None = None


class FakeModels:
    """Models by candidate name."""

    def __init__(self, known: PoolSnapshot, **models: Model) -> None:
        self.snapshot = known
        self.models = models
        self.calls: list[Generation] = []
        self.cancelled: list[str] = []
        self.unwatched: list[bool] = []
        self.running = 0
        self._hanging: asyncio.Queue[str] = asyncio.Queue()
        self.quiet = asyncio.Event()
        self.checkpoints: asyncio.Queue[str] = asyncio.Queue()
        """The models whose held calls have passed their checkpoint, in that order."""
        self.rest = {name: _set_event() for name in models}
        """For each model, lets its held calls go on after the checkpoint; set unless a test clears it."""
        self.gate: Callable[[Generation], None] = lambda _: None
        """Gets each call before it is made, and may raise."""

    def asked(self, stage: Stage.ValueType) -> list[str]:
        return [call.candidate for call in self.calls if call.stage == stage]

    async def hung(self, calls: int) -> None:
        """Returns when this many further calls hang."""
        for _ in range(calls):
            await self._hanging.get()

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        words, result, restarted = await self._begin(target, generation, deadline)
        return GenerateResponse(text="".join(words), restarted=restarted, result=result)

    async def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        self.unwatched.append(unwatched)
        if checkpoint_tokens:
            async with aclosing(self._hold(target, generation, deadline, checkpoint_tokens)) as responses:
                async for response in responses:
                    yield response
            return
        model = self.models[generation.candidate]
        error = model.fails.get(generation.stage)
        if error and model.fails_after:
            self.calls.append(generation)
            words, restarted, _ = self._write(generation)
            for word in words[: model.fails_after]:
                yield StreamGenerateResponse(chunk=GenerationChunk(text=word, restarted=restarted))
            raise error
        words, result, restarted = await self._begin(target, generation, deadline)
        for index, word in enumerate(words):
            early = restarted and not model.says_it_late
            yield StreamGenerateResponse(chunk=GenerationChunk(text=word, restarted=early and index == 0))
        if restarted and model.says_it_late:
            yield StreamGenerateResponse(chunk=GenerationChunk(restarted=True))
        yield StreamGenerateResponse(result=result)

    async def _hold(
        self, target: ModelTarget, generation: Generation, deadline: Deadline, checkpoint_tokens: int
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Writes the boot, the checkpoint, and the rest once the model of the candidate lets it pass."""
        name = generation.candidate
        model = self.models[name]
        boot = Generation()
        boot.CopyFrom(generation)
        boot.sampling.max_output_tokens = min(checkpoint_tokens, generation.sampling.max_output_tokens)
        words, at_checkpoint, _ = await self._begin(target, boot, deadline)
        self.calls = [generation if call is boot else call for call in self.calls]
        whole, _, result = self._write(generation)
        for word in words:
            yield StreamGenerateResponse(chunk=GenerationChunk(text=word))
        if len(words) + at_checkpoint.usage.reasoning_tokens < checkpoint_tokens:
            yield StreamGenerateResponse(result=result)
            return
        at_checkpoint.finish_reason = FINISH_REASON_LENGTH
        at_checkpoint.usage.estimated = True
        at_checkpoint.continuation = CONTINUATION + name.encode()
        yield StreamGenerateResponse(checkpoint=at_checkpoint)
        self.checkpoints.put_nowait(name)
        with self._running(name):
            await self.rest[name].wait()
            if model.dies:
                raise model.dies
            for word in whole[len(words) :]:
                yield StreamGenerateResponse(chunk=GenerationChunk(text=word))
        yield StreamGenerateResponse(result=result)

    @contextmanager
    def _running(self, name: str) -> Iterator[None]:
        self.running += 1
        self.quiet.clear()
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.append(name)
            raise
        finally:
            self.running -= 1
            if not self.running:
                self.quiet.set()

    async def _begin(
        self, target: ModelTarget, generation: Generation, deadline: Deadline
    ) -> tuple[Sequence[str], GenerationResult, bool]:
        self.calls.append(generation)
        name, stage = generation.candidate, generation.stage
        assert target == self.snapshot.targets[name]
        self.gate(generation)
        model = self.models[name]
        with self._running(name):
            await asyncio.sleep(0)
            if stage in model.hangs:
                self._hanging.put_nowait(name)
                try:
                    async with asyncio.timeout(deadline.remaining()):
                        await asyncio.Event().wait()
                except TimeoutError:
                    raise deadline_exceeded("the deadline passed") from None
        if stage in model.fails:
            raise model.fails[stage]
        words, restarted, result = self._write(generation)
        return words, result, restarted

    def _write(self, generation: Generation) -> tuple[Sequence[str], bool, GenerationResult]:
        """Returns the words after the prefix up to the limit, whether they are a new text, and the result."""
        entry = self.snapshot.candidates[generation.candidate]
        model = self.models[generation.candidate]
        prefix = generation.prefix
        restarted = bool(prefix) and (model.forgets or entry.continuation == CONTINUATION_NONE)
        written = _words_in(model, prefix)
        done = 0 if restarted else written
        # An adapter that writes a text anew adds the tokens of the prefix to the limit.
        limit = generation.sampling.max_output_tokens + (written if restarted else 0)
        read = done if restarted or "".join(model.words).startswith(prefix) else len(prefix.encode())
        reasoning = min(limit, model.hidden) if not generation.continuation else 0
        words = model.words[done : done + limit - reasoning]
        thought = bool(generation.continuation) or reasoning == model.hidden
        ended = thought and done + len(words) >= len(model.words)
        usage = Usage(
            # The most expensive provider possible: each byte is a token.
            input_tokens=most_messages_tokens(generation.messages) + read,
            output_tokens=len(words) + reasoning,
            reasoning_tokens=reasoning,
        )
        result = GenerationResult(
            finish_reason=model.ends.get(generation.stage, FINISH_REASON_STOP if ended else FINISH_REASON_LENGTH),
            usage=usage,
            cost_nanousd=cost_nanousd(entry.prices, usage),
            continuation=b"" if ended else CONTINUATION + entry.name.encode(),
            model=f"model-of-{entry.name}",
            elapsed=duration(model.seconds) if model.seconds else None,
            least_tokens=model.least_tokens,
        )
        return words, restarted, result


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _words_in(model: Model, prefix: str) -> int:
    """Returns the number of words in a prefix, which is the model's own text or that of another model."""
    text = ""
    for count, word in enumerate(model.words, start=1):
        text += word
        if text == prefix:
            return count
    return min(len(prefix.split()), len(model.words))


class FakeSelector:
    """Ranks by the given scores; candidates without one have 0.5 and keep their order.

    With `asking`, which has for each candidate its gain as the first answer, its gain as a later one and its cost, it
    answers what asking each outright is worth. With `booting` too, these candidates boot with this value.
    """

    def __init__(self, scores: dict[str, float] | None = None, agreement: float = 0.0) -> None:
        self.scores = scores or {}
        self.agreement = agreement
        self.gains: dict[str, float] = {}
        self.tokens: dict[str, float] = {}
        self.error: ServiceError | None = None
        self.response: SelectResponse | None = None
        self.entries: list[LedgerEntry] = []
        self.requests: list[SelectRequest] = []
        self.shortlists: list[ShortlistRequest] = []
        self.asking: dict[str, tuple[float, float, int]] = {}
        self.further: tuple[float, int] | None = None
        self.booting: tuple[str, ...] = ()
        self.boot_value = ActionValue(action=ACTION_BOOT, gain=0.8, cost_nanousd=15, output_tokens=2, net_value=785)

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        assert not deadline.expired
        self.requests.append(request)
        if self.error:
            raise self.error
        if self.response:
            return self.response
        scores = {p.candidate: self.scores.get(p.candidate, 0.5) for p in request.partials}
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        candidates = [
            RankedCandidate(
                candidate=name, score=score, gain=self.gains.get(name), expected_tokens=self.tokens.get(name)
            )
            for name, score in ranked
        ]
        ranking = Ranking(candidates=candidates, agreement=self.agreement)
        response = SelectResponse(ranking=ranking, strategy=request.strategy, entries=self.entries)
        if self.asking and request.HasField("worth_nanousd"):
            response.expected_quality = candidates[0].score
            response.unasked.extend(self._asked(request.unasked, request.worth_nanousd, first=False))
        return response

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        assert not deadline.expired
        self.shortlists.append(request)
        if self.error:
            raise self.error
        if self.asking and request.HasField("worth_nanousd"):
            steps = self._asked(request.candidates, request.worth_nanousd, first=True)
            for step in steps:
                if step.candidate in self.booting:
                    step.actions.insert(0, self.boot_value)
            if self.further and request.most_answers > 1 and not request.first_step_only:
                for step in steps if self.booting else steps[:1]:
                    step.actions[0].further_gain, step.actions[0].further_cost_nanousd = self.further
            return ShortlistResponse(candidates=steps)
        scores = {each.candidate: self.scores.get(each.candidate, 0.5) for each in request.candidates}
        ranked = sorted(scores.items(), key=lambda item: -item[1])
        return ShortlistResponse(candidates=[RankedCandidate(candidate=name, score=score) for name, score in ranked])

    def _asked(self, candidates: Iterable[ShortlistCandidate], worth: int, *, first: bool) -> list[RankedCandidate]:
        found: list[RankedCandidate] = []
        for each in candidates:
            at_first, later, cost = self.asking[each.candidate]
            gain = at_first if first else later
            ask = ActionValue(action=ACTION_ASK, gain=gain, cost_nanousd=cost, output_tokens=4)
            ask.net_value = gain * worth - cost
            found.append(RankedCandidate(candidate=each.candidate, score=at_first, actions=[ask]))
        return sorted(found, key=lambda each: -each.actions[0].net_value)


class FakeAggregator:
    """Joins the drafts, piece by piece."""

    def __init__(self) -> None:
        self.error: ServiceError | None = None
        self.error_after = 0
        self.pieces: list[AnswerChunk] | None = None
        self.result = True
        self.finish_reason: FinishReason.ValueType = FINISH_REASON_STOP
        self.entries: list[LedgerEntry] = []
        self.requests: list[AggregateRequest] = []

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        assert not deadline.expired
        self.requests.append(request)
        pieces = self.pieces
        if pieces is None:
            pieces = [AnswerChunk(text=f"[{draft.text}]") for draft in request.drafts]
        for count, piece in enumerate(pieces):
            if self.error and count == self.error_after:
                raise self.error
            yield AggregateResponse(chunk=piece)
        if self.error:
            raise self.error
        if self.result:
            names = [draft.candidate for draft in request.drafts]
            result = AggregateResult(
                strategy=request.strategy,
                candidates=names,
                finish_reason=self.finish_reason,
                entries=self.entries,
                contradictions=["They differ."],
            )
            yield AggregateResponse(result=result)
