"""The calls of an evaluation: reserved, written down, made, written down again, settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from lightrouter.evaluator.budget import Amount, Budget, worst_case
from lightrouter.evaluator.journal import CallResult, Journal, JournalError
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget, Prices
from lightrouter.v1.chat_pb2 import ChatMessage, Sampling
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

_log = logging.getLogger(__name__)
# Failures that may be an outage of the provider, or of the way to it. All others are the candidate's own.
_PASSING: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.CANCELLED})
_OWN: Final = frozenset(
    {
        ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED,
        ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE,
        ErrorReason.ERROR_REASON_EMPTY_OUTPUT,
    }
)
# What the evaluation itself brings about by asking so much at once: it waits as it is told to, so often.
_BUSY: Final = frozenset(
    {
        ErrorReason.ERROR_REASON_OVERLOADED,
        ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED,
        ErrorReason.ERROR_REASON_CIRCUIT_OPEN,
    }
)
_WAITS: Final = 6
_LEAST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 30.0


@dataclass(slots=True)
class Subject:
    """A candidate under evaluation, or one that judges.

    Attributes:
        target: What a call to its adapter needs.
        model: The model's name at the provider.
        prices: What it costs.
        more_tokens: Tokens that it reads besides the messages; grows where its provider counts more.
        attempts: Most times that its adapter puts one call to the provider, each of which may be billed.
        version: What tells it from the same name with another endpoint, model, sampling or instructions.
    """

    target: ModelTarget
    model: str
    prices: Prices
    more_tokens: int = 0
    attempts: int = 1
    version: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return self.target.candidate


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        key: What tells it from the other calls of the evaluation.
        subject: Whom it asks.
        messages: The conversation.
        sampling: Limits and sampling; `max_output_tokens` is set.
        read: Gives the score of a text, and the text itself where it has to be kept.
        failed: The score where the call fails; None: none.
    """

    key: str
    subject: Subject
    messages: Sequence[ChatMessage]
    sampling: Sampling
    read: Callable[[str], tuple[float | None, str | None]]
    failed: float | None = None

    @property
    def attempt(self) -> Amount:
        """The most that one attempt at it costs."""
        return worst_case(self.messages, self.sampling.max_output_tokens, self.subject.prices, self.subject.more_tokens)

    @property
    def worst(self) -> Amount:
        """The most that it costs: an attempt that fails after the provider has written is billed too."""
        return self.attempt.times(self.subject.attempts)


class CallRunner:
    """Makes calls within a budget."""

    def __init__(self, models: Models, budget: Budget, journal: Journal, concurrency: int, call_seconds: float) -> None:
        """Asks `models`, at most `concurrency` calls at the same time and `call_seconds` each."""
        self._models = models
        self._budget = budget
        self._journal = journal
        self._turns = asyncio.Semaphore(concurrency)
        self._batch = concurrency
        self._unwritten: dict[str, Amount] = {}
        self._call_seconds = call_seconds

    async def ask(self, calls: Sequence[Call]) -> bool:
        """Makes those of the calls that are not in the journal yet.

        Returns:
            Whether all were made; not so where the budget or the time does not cover the next one.

        Raises:
            JournalError: A call cannot be written down; it is not made then.
        """
        reserved: list[tuple[Call, Amount]] = []
        whole = True
        for call in calls:
            if call.key in self._journal.done:
                continue
            worst = call.worst
            if not self._budget.reserve(worst):
                whole = False
                break
            reserved.append((call, worst))
        self._unwritten = {call.key: worst for call, worst in reserved}
        if reserved:
            try:
                async with asyncio.TaskGroup() as group:
                    made = [group.create_task(self._make(call, worst)) for call, worst in reserved]
            except* JournalError as failures:
                failure = failures.exceptions[0]
            else:
                return whole and all(task.result() for task in made)
            raise failure
        return whole

    async def _make(self, call: Call, worst: Amount) -> bool:
        async with self._turns:
            if self._budget.deadline.expired:
                self._budget.settle(worst, Amount())
                return False
            self._write_down(call.key)
            done = await self._result(call, worst)
        if done.failure and not self._budget.deadline.remaining():
            # Our time was over, not the candidate's: it is asked again, and what this may have cost stays set aside.
            return False
        self._budget.settle(worst, done.spent)
        self._journal.finish(call.key, done)
        return True

    def _write_down(self, key: str) -> None:
        """Writes down what a call costs at its worst, and those whose turn is next: the disk takes its time once."""
        while key in self._unwritten:
            batch = list(islice(self._unwritten.items(), self._batch))
            self._journal.reserve(batch)
            for written, _ in batch:
                del self._unwritten[written]

    async def _result(self, call: Call, worst: Amount) -> CallResult:
        within = min(self._call_seconds, self._budget.deadline.remaining())
        try:
            async with asyncio.timeout(within):
                response = await self._patiently(call, Deadline.after(within))
        except TimeoutError:
            error = deadline_exceeded(f"{call.subject.name} did not answer in {within:.0f} s")
        except ServiceError as failed:
            error = failed
        else:
            score, text = call.read(response.text)
            return CallResult(self._spent(call, response), score, text)
        _log.info("%s failed on a validation prompt: %s", call.subject.name, error.message)
        # What a call without an answer has cost is not known.
        passing = error.code in _PASSING and error.reason not in _OWN
        return CallResult(worst, call.failed, failure=error.message, passing=passing)

    async def _patiently(self, call: Call, deadline: Deadline) -> GenerateResponse:
        """Asks again where the candidate is busy and says when that may help, and nothing was written, nor billed."""
        for number in range(_WAITS):
            try:
                return await self._models.generate(call.subject.target, _generation(call), deadline)
            except ServiceError as error:
                if error.reason not in _BUSY or error.retry_after is None or error.spent:
                    raise
                # Others wait for the same; what is asked for may be the time of one call of theirs.
                wait = min(max(error.retry_after, _LEAST_WAIT_S * 2**number), _LONGEST_WAIT_S)
                if wait >= deadline.remaining():
                    raise
            await asyncio.sleep(wait)
        return await self._models.generate(call.subject.target, _generation(call), deadline)

    def _spent(self, call: Call, response: GenerateResponse) -> Amount:
        usage = response.result.usage
        spent = Amount(response.result.cost_nanousd, usage.input_tokens + usage.output_tokens)
        attempt = call.attempt
        if spent.tokens > attempt.tokens:
            # Its provider reads or writes more than it was given; from now on that is reserved too.
            call.subject.more_tokens += spent.tokens - attempt.tokens
            _log.warning(
                "%s took %d tokens where at most %d were reserved", call.subject.name, spent.tokens, attempt.tokens
            )
        # The provider says what the last attempt cost. Those before it failed, and count at their worst.
        return spent.plus(attempt.times(max(0, response.result.attempts - 1)))


def _generation(call: Call) -> Generation:
    return Generation(
        messages=call.messages, sampling=call.sampling, candidate=call.subject.name, stage=Stage.STAGE_EVALUATE
    )
