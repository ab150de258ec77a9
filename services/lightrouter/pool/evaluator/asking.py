"""The calls of an evaluation: reserved, written down, made, written down again, settled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from lightrouter.pool.evaluator.budget import Amount, Budget, worst_case
from lightrouter.pool.evaluator.journal import Done, Journal, JournalError
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError, deadline_exceeded
from lightrouter.runtime.models import Models
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import ModelTarget, Prices
from lightrouter.v1.chat_pb2 import ChatMessage, Sampling
from lightrouter.v1.ledger_pb2 import Stage

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Subject:
    """A candidate under evaluation, or one that judges.

    Attributes:
        target: What a call to its adapter needs.
        model: The model's name at the provider.
        prices: What it costs.
        more_tokens: Tokens that it reads besides the messages; grows where its provider counts more.
    """

    target: ModelTarget
    model: str
    prices: Prices
    more_tokens: int = 0

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
    """

    key: str
    subject: Subject
    messages: Sequence[ChatMessage]
    sampling: Sampling
    read: Callable[[str], tuple[float | None, str | None]]

    @property
    def worst(self) -> Amount:
        """The most that it costs."""
        return worst_case(self.messages, self.sampling.max_output_tokens, self.subject.prices, self.subject.more_tokens)


class Asker:
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

    async def _result(self, call: Call, worst: Amount) -> Done:
        within = min(self._call_seconds, self._budget.deadline.remaining())
        try:
            async with asyncio.timeout(within):
                response = await self._models.generate(call.subject.target, _generation(call), Deadline.after(within))
        except TimeoutError:
            error = deadline_exceeded(f"{call.subject.name} did not answer in {within:.0f} s")
        except ServiceError as failed:
            error = failed
        else:
            score, text = call.read(response.text)
            return Done(self._spent(call, worst, response), score, text)
        _log.info("%s failed on a validation prompt: %s", call.subject.name, error.message)
        # What a call without an answer has cost is not known.
        return Done(worst, failure=error.message)

    def _spent(self, call: Call, worst: Amount, response: GenerateResponse) -> Amount:
        usage = response.result.usage
        spent = Amount(response.result.cost_nanousd, usage.input_tokens + usage.output_tokens)
        if spent.tokens > worst.tokens:
            # Its provider reads or writes more than it was given; from now on that is reserved too.
            call.subject.more_tokens += spent.tokens - worst.tokens
            _log.warning(
                "%s took %d tokens where at most %d were reserved", call.subject.name, spent.tokens, worst.tokens
            )
        return spent


def _generation(call: Call) -> Generation:
    return Generation(
        messages=call.messages, sampling=call.sampling, candidate=call.subject.name, stage=Stage.STAGE_EVALUATE
    )
