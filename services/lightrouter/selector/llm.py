"""Ranks by a judge model that reads the partials in several orders, as in the paper."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from lightrouter.answers.untrusted import label, nonce_for, random_nonce
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.ledger import CUT_OFF, entry, failed_entry
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.text import one_line
from lightrouter.runtime.tokens import messages_tokens
from lightrouter.selector.prompts import again_messages, conversation_text, judge_messages
from lightrouter.selector.strategy import RankingInput, Scores, StrategyFailedError
from lightrouter.selector.verdict import Points, UnreadableError, parse
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget, Partial
from lightrouter.v1.chat_pb2 import ChatMessage, Sampling, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason, LedgerEntry, Stage

# Choices: one reply that cannot be read may be an accident, two are not; the texts that are quoted have a bound.
_ATTEMPTS = 2
_LONGEST_REPLY_SHOWN = 4000
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class JudgeLimits:
    """Limits of one judgment.

    Attributes:
        orders: Number of orders in which the partials are read, 1 or more; each is one call.
        most_partials: Maximum of judged partials; of more, those with the highest priors are judged.
        most_characters: Maximum characters of the conversation, and of each partial, that the judge reads.
        max_output_tokens: Maximum tokens of one reply.
        deadline_share: Share of the remaining time for judging, 0 to 1.
        most_seconds: Maximum seconds for judging.
    """

    orders: int
    most_partials: int
    most_characters: int
    max_output_tokens: int
    deadline_share: float
    most_seconds: float


class Readings(NamedTuple):
    """The judge's points for the partials.

    Attributes:
        points: The points by candidate, one mapping for each order with a readable reply; at least one.
        entries: The ledger entries of the calls.
        degraded: One entry if an order was lost: its call failed or its reply was not readable.
    """

    points: Sequence[Mapping[str, Points]]
    entries: Sequence[LedgerEntry]
    degraded: Sequence[Degradation] = ()


class Judge:
    """The score is the mean of consistency and correctness over all orders."""

    def __init__(self, models: Models, limits: JudgeLimits, nonce: Callable[[], str] = random_nonce) -> None:
        """Calls the request's judge through `models`; `nonce` returns unpredictable texts."""
        self._models = models
        self._limits = limits
        self._nonce = nonce

    async def judge(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        """Returns the judge's scores of the visible partials; makes no call for fewer than two.

        Raises:
            StrategyFailedError: The request names no judge, or the judge failed, was too slow, or sent no verdict.
        """
        if len(ranking_input.visible) < 2:
            return Scores({})
        return average(await self.readings(ranking_input, deadline))

    async def readings(self, ranking_input: RankingInput, deadline: Deadline) -> Readings:
        """Returns the judge's points for each order with a readable reply.

        Raises:
            StrategyFailedError: The request names no judge, or the judge failed, was too slow, or sent no verdict.
        """
        if not ranking_input.request.HasField("judge"):
            message = "There is no judge model to rank with; candidates were ranked by prior."
            raise StrategyFailedError(DegradedReason.DEGRADED_REASON_SELECTOR_FAILED, message)
        judged = sorted(ranking_input.visible, key=lambda partial: -partial.prior)[: self._limits.most_partials]
        within = deadline.share(self._limits.deadline_share, self._limits.most_seconds)
        session = _JudgeSession(self._models, self._limits, self._nonce, ranking_input, within)
        return await session.read_all(orders(judged, self._limits.orders, ranking_input.request.seed))


def orders(partials: Sequence[Partial], count: int, seed: int) -> list[tuple[Partial, ...]]:
    """Returns at most `count` different orders in which each partial is as often early as late.

    Each pair is an order and its reverse, so that a judge's preference for a position cancels out; the seed draws the
    first order, and each further pair is rotated. For example, two orders of a, b, c: (b, a, c) and (c, a, b).
    """
    first = sorted(partials, key=lambda partial: partial.candidate)
    random.Random(seed).shuffle(first)  # noqa: S311 - reproducible by intent, and no secret
    wanted: dict[tuple[str, ...], tuple[Partial, ...]] = {}
    pairs = -(-count // 2)
    for index in range(count):
        start = (index // 2) * len(first) // pairs
        order = [*first[start:], *first[:start]]
        if index % 2:
            order.reverse()
        wanted.setdefault(tuple(partial.candidate for partial in order), tuple(order))
    return list(wanted.values())


def average(read: Readings) -> Scores:
    """Returns the scores: for each partial the mean of both scales over all readings."""
    readings = read.points
    scores: dict[str, float] = {}
    rationales: dict[str, str] = {}
    for name in readings[0]:
        consistency = fmean(reading[name].consistency for reading in readings)
        correctness = fmean(reading[name].correctness for reading in readings)
        scores[name] = (consistency + correctness) / 2
        rationales[name] = f"Judged consistent to {consistency:.0%} and correct to {correctness:.0%}."
    return Scores(scores, rationales, read.entries, degraded=read.degraded)


class _JudgeSession:
    """All calls to the judge for one request."""

    def __init__(
        self,
        models: Models,
        limits: JudgeLimits,
        nonce: Callable[[], str],
        ranking_input: RankingInput,
        deadline: Deadline,
    ) -> None:
        self.entries: list[LedgerEntry] = []
        self._models = models
        self._limits = limits
        self._target: ModelTarget = ranking_input.request.judge
        self._deadline = deadline
        self._conversation = conversation_text(ranking_input.request.messages)
        self._nonce = nonce_for([self._conversation, *(partial.text for partial in ranking_input.visible)], nonce)

    async def read_all(self, wanted: Sequence[Sequence[Partial]]) -> Readings:
        """Returns the readings of all orders; the reading of one may fail as long as another succeeds."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._try(order)) for order in wanted]
        results = [task.result() for task in tasks]
        points = [result for result in results if not isinstance(result, StrategyFailedError)]
        failures = [result for result in results if isinstance(result, StrategyFailedError)]
        if not points:
            first = failures[0]
            raise StrategyFailedError(first.reason, f"{first.message}; ranked by prior.", self.entries)
        return Readings(points, self.entries, _lost(failures, len(points)))

    async def _try(self, order: Sequence[Partial]) -> dict[str, Points] | StrategyFailedError:
        try:
            return await self._read(order)
        except StrategyFailedError as failure:
            return failure

    async def _read(self, order: Sequence[Partial]) -> dict[str, Points]:
        names = {label(index): partial.candidate for index, partial in enumerate(order)}
        shown = [(label(index), partial.text) for index, partial in enumerate(order)]
        messages = judge_messages(self._conversation, shown, self._nonce, most_characters=self._limits.most_characters)
        fault = ""
        for _ in range(_ATTEMPTS):
            response = await self._ask(messages)
            try:
                points = parse(response.text, list(names))
            except UnreadableError as error:
                fault = str(error)
            else:
                self.entries.append(self._entry(response))
                return {names[letter]: value for letter, value in points.items()}
            self.entries.append(self._entry(response, fault))
            messages = again_messages(messages, response.text[:_LONGEST_REPLY_SHOWN], fault, list(names))
        message = f"The verdict of {self._target.candidate} could not be read twice ({fault})"
        raise StrategyFailedError(DegradedReason.DEGRADED_REASON_VERDICT_UNREADABLE, message)

    async def _ask(self, messages: Sequence[ChatMessage]) -> GenerateResponse:
        generation = Generation(
            messages=messages,
            sampling=Sampling(temperature=0, max_output_tokens=self._limits.max_output_tokens),
            candidate=self._target.candidate,
            stage=Stage.STAGE_SELECT,
        )
        begin = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline.remaining()):
                return await self._models.generate(self._target, generation, self._deadline)
        except TimeoutError:
            error = deadline_exceeded(f"{self._target.candidate} did not judge in the time it had")
        except ServiceError as failed:
            error = failed
        except asyncio.CancelledError:
            cancelled = ServiceError(Code.CANCELLED, ErrorReason.ERROR_REASON_CANCELLED, "the verdict was not needed")
            self._failed(cancelled, begin, messages)
            raise
        self._failed(error, begin, messages)
        slow = error.code == Code.DEADLINE_EXCEEDED
        message = f"The judge {self._target.candidate} {'was too slow' if slow else 'failed'}: {_reason(error)}"
        reasons = DegradedReason
        raise StrategyFailedError(
            reasons.DEGRADED_REASON_SELECTOR_SLOW if slow else reasons.DEGRADED_REASON_SELECTOR_FAILED, message
        )

    def _failed(self, error: ServiceError, begin: float, messages: Sequence[ChatMessage]) -> None:
        elapsed, usage = time.monotonic() - begin, None
        if error.reason in CUT_OFF:
            # The judge has read its prompt at least.
            usage = Usage(input_tokens=messages_tokens(messages), estimated=True)
        self.entries.append(failed_entry(Stage.STAGE_SELECT, self._target.candidate, error, elapsed, usage=usage))

    def _entry(self, response: GenerateResponse, fault: str = "") -> LedgerEntry:
        line = entry(Stage.STAGE_SELECT, self._target.candidate, response.result)
        if fault:
            failure = Failure(reason=ErrorReason.ERROR_REASON_VERDICT_UNREADABLE, message=f"no verdict: {fault}")
            line.failure.CopyFrom(failure)
        return line


def _lost(failures: Sequence[StrategyFailedError], read: int) -> list[Degradation]:
    """Returns the degradation of scores that come from the other orders alone; none without failures."""
    if not failures:
        return []
    total = len(failures) + read
    message = f"{failures[0].message}; ranked by {read} of {total} orders, so that an order's bias may remain."
    return [Degradation(reason=failures[0].reason, message=message)]


def _reason(error: ServiceError) -> str:
    """Returns why a call failed, as the end of a sentence."""
    words = one_line(error.message).rstrip(".")
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]}…"
