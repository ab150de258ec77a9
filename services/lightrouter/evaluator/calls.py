"""The calls of an evaluation: reserve the cost, record it in the journal, call, record the result, settle the cost."""

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
from lightrouter.runtime.errors import Code, ServiceError, Spent, deadline_exceeded
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget, Prices
from lightrouter.v1.chat_pb2 import FINISH_REASON_CONTENT_FILTER, ChatMessage, Sampling
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

_log = logging.getLogger(__name__)
# Failures that may be an outage of the provider or of the network. All others count against the candidate.
_PASSING: Final = frozenset({Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED, Code.CANCELLED})
_OWN: Final = frozenset(
    {
        ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED,
        ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE,
        ErrorReason.ERROR_REASON_EMPTY_OUTPUT,
    }
)
# Failures that the evaluation causes by its many calls: it waits as long as the adapter says, up to _WAITS times.
_BUSY: Final = frozenset(
    {
        ErrorReason.ERROR_REASON_OVERLOADED,
        ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED,
        ErrorReason.ERROR_REASON_CIRCUIT_OPEN,
    }
)
# A choice: the six waits double from 0.25 s, 16 s in all, unless the provider asks for more.
_WAITS: Final = 6
_LEAST_WAIT_S: Final = 0.25
# A choice: a longer wait is for the next run.
_LONGEST_WAIT_S: Final = 30.0


@dataclass(slots=True)
class Subject:
    """A candidate that is evaluated, or that judges.

    Attributes:
        target: Name and address for calls to its adapter.
        prices: The prices.
        more_tokens: Input tokens in addition to the messages; grows if the provider counts more.
        attempts: Most attempts of its adapter for one call; the provider may bill each.
        version: A hash that changes with endpoint, model, sampling or instructions.
    """

    target: ModelTarget
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
        key: The call's name, unique in the evaluation.
        subject: The candidate to call.
        messages: The conversation.
        sampling: Limits and sampling; `max_output_tokens` is set.
        score: Returns the score of a text; None: the text itself is kept.
        failed: The score if the call fails; None: none.
    """

    key: str
    subject: Subject
    messages: Sequence[ChatMessage]
    sampling: Sampling
    score: Callable[[str], float | None] | None
    failed: float | None = None

    @property
    def attempt(self) -> Amount:
        """The highest possible cost of one attempt."""
        return worst_case(self.messages, self.sampling.max_output_tokens, self.subject.prices, self.subject.more_tokens)

    @property
    def worst(self) -> Amount:
        """The highest possible cost: an attempt that fails after the provider has written is billed too."""
        return self.attempt.times(self.subject.attempts)


class CallRunner:
    """Makes the calls of an evaluation within its budget."""

    def __init__(self, models: Models, budget: Budget, journal: Journal, concurrency: int, call_seconds: float) -> None:
        """Calls `models`: at most `concurrency` calls at a time, `call_seconds` each."""
        self._models = models
        self._budget = budget
        self._journal = journal
        self._turns = asyncio.Semaphore(concurrency)
        self._batch = concurrency
        self._unwritten: dict[str, Amount] = {}
        self._call_seconds = call_seconds

    async def run(self, calls: Sequence[Call]) -> bool:
        """Makes the calls that are not in the journal yet.

        Returns:
            Whether all calls were made; False if the budget or the time does not cover the next one.

        Raises:
            JournalError: The journal cannot be written; the call is not made.
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
        made = False
        try:
            async with self._turns:
                if self._budget.deadline.expired:
                    return False
                self._write_down(call.key)
                made = True
                done = await self._result(call, worst)
        finally:
            if not made:
                self._give_back(call.key, worst)
        if done.failure and not self._budget.deadline.remaining():
            # The evaluation's time ended, not the call's: the call is repeated later, and its cost stays reserved.
            return False
        self._budget.settle(worst, done.spent)
        self._journal.finish(call.key, done)
        return True

    def _give_back(self, key: str, worst: Amount) -> None:
        """Returns the reserved cost of a call that is not made."""
        self._budget.settle(worst, Amount())
        if self._unwritten.pop(key, None) is None:
            self._journal.release(key)

    def _write_down(self, key: str) -> None:
        """Records the reserved cost of a call and of the next ones together, because each write waits for the disk."""
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
            spent = self._spent(call, response)
            if response.result.finish_reason == FINISH_REASON_CONTENT_FILTER and call.failed is not None:
                # What a filter has left over is no answer.
                return CallResult(spent, call.failed, failure=f"a filter withheld the text of {call.subject.name}")
            return CallResult(spent, call.score(response.text)) if call.score else CallResult(spent, text=response.text)
        _log.info("%s failed on a validation prompt: %s", call.subject.name, error.message)
        passing = error.code in _PASSING and error.reason not in _OWN
        known = _spent_in_vain(call, error)
        return CallResult(worst if known is None else known, call.failed, failure=error.message, passing=passing)

    async def _patiently(self, call: Call, deadline: Deadline) -> GenerateResponse:
        """Repeats a call if the candidate is busy, says when to retry, and has billed nothing."""
        for number in range(_WAITS):
            try:
                return await self._models.generate(call.subject.target, _generation(call), deadline)
            except ServiceError as error:
                if error.reason not in _BUSY or error.retry_after is None or _spent_in_vain(call, error) != Amount():
                    raise
                # Several calls wait for the same candidate, and its retry time may cover only one of them.
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
            # The provider counts more tokens than expected; later calls reserve them too.
            call.subject.more_tokens += spent.tokens - attempt.tokens
            _log.warning(
                "%s took %d tokens, but at most %d were reserved", call.subject.name, spent.tokens, attempt.tokens
            )
        return spent.plus(attempt.times(_uncounted(response.result.attempts, response.result.counted_attempts)))


def _spent_in_vain(call: Call, error: ServiceError) -> Amount | None:
    """Returns the cost of a call that failed; None if it is unknown."""
    if error.spent is None and not error.counted_attempts:
        # Nothing was billed for a call that was refused at once.
        return Amount() if error.reason in _BUSY and error.attempts <= 1 else None
    usage, cost = error.spent or Spent.nothing()
    spent = Amount(cost, usage.input_tokens + usage.output_tokens)
    if error.spent and not any(spent):
        return spent
    return spent.plus(call.attempt.times(_uncounted(error.attempts, error.counted_attempts)))


def _uncounted(attempts: int, counted: int) -> int:
    """Returns how many attempts of a call may have been billed beside its usage; each counts at its highest cost."""
    return max(0, attempts - max(1, counted))


def _generation(call: Call) -> Generation:
    return Generation(
        messages=call.messages, sampling=call.sampling, candidate=call.subject.name, stage=Stage.STAGE_EVALUATE
    )
