"""Selector and aggregator with what candidates have: an absolute limit, and a circuit.

One that hangs costs a few routes a moment, and the later ones nothing, until it answers again.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

from lightrouter.router.ledger import SLOW
from lightrouter.router.stages.aggregate import Aggregator
from lightrouter.router.stages.select import Selector
from lightrouter.runtime.circuit import Circuit
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_UPSTREAM_UNAVAILABLE
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_LLM
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse

_LIMIT_S: Final = 3.0
# A judge or a synthesizer is a model, which may think before it says its first word.
_MODEL_LIMIT_S: Final = 20.0
_FAILURES: Final = 3
_COOLDOWN_S: Final = 5.0
# A wait tells of the helper, and not of a caller in a hurry, from so many times what it usually needs.
_TELLING: Final = 3.0
_LEAST_TELLING_S: Final = 0.5
_MEMORY: Final = 0.9


class ServiceCircuit:
    """Watches the calls of one kind to one helper."""

    def __init__(self, helper: str, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`helper` names it in sentences; `limit_s` is the longest wait for its next word; `clock` gives seconds."""
        self.limit_s = limit_s
        self._helper = helper
        self._clock = clock
        # Until it is known: what lets nearly the whole limit tell, whichever of two clocks is a little ahead.
        self._usual_s = limit_s / (_TELLING + 1)
        self._circuit = Circuit(_FAILURES, _COOLDOWN_S, clock=clock, later=_later)

    @contextmanager
    def call(self) -> Iterator[Callable[[], None]]:
        """Lets one call pass; yields what is to be called once the helper has answered.

        Raises:
            ServiceError: The helper has not answered several times in a row, and is left alone for a while.
        """
        try:
            permit = self._circuit.admit()
        except ServiceError as error:
            message = f"the {self._helper} did not answer {_FAILURES} times in a row and is left alone for a while"
            raise ServiceError(
                Code.UNAVAILABLE, ERROR_REASON_CIRCUIT_OPEN, message, retry_after=error.retry_after
            ) from None
        begun, works = self._clock(), None

        def answered() -> None:
            nonlocal works
            if works is None:
                works = True
                self._usual_s = _MEMORY * self._usual_s + (1 - _MEMORY) * (self._clock() - begun)

        try:
            yield answered
        except ServiceError as error:
            if works is None:
                works = self._works(error, self._clock() - begun)
            raise
        finally:
            self._circuit.record(permit, works)

    def _works(self, error: ServiceError, waited_s: float) -> bool | None:
        """Returns whether a failure shows that the helper works; None where it shows nothing."""
        if error.reason in SLOW:
            return False if waited_s >= min(self.limit_s, max(_LEAST_TELLING_S, _TELLING * self._usual_s)) else None
        # One that cannot be reached fails in no time: leaving it alone would only find out later that it is back.
        return None if error.reason == ERROR_REASON_UPSTREAM_UNAVAILABLE else True


class CircuitSelector:
    """A selector that costs no route more than a moment while it hangs."""

    def __init__(self, selector: Selector, clock: Callable[[], float] = time.monotonic) -> None:
        """Asks `selector`; `clock` gives seconds."""
        self._selector = selector
        self._shortlists = ServiceCircuit("selector", _LIMIT_S, clock)
        self._judges = ServiceCircuit("selector", _MODEL_LIMIT_S, clock)
        # A judge that hangs says nothing of rankings without one.
        self._others: defaultdict[int, ServiceCircuit] = defaultdict(
            lambda: ServiceCircuit("selector", _LIMIT_S, clock)
        )

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials. See `select.Selector`."""
        strategy = request.strategy
        guard = self._judges if strategy == SELECTOR_STRATEGY_LLM else self._others[strategy]
        with guard.call() as answered:
            response = await self._selector.select(request, deadline.share(1.0, at_most=guard.limit_s))
            answered()
            return response

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        """Returns the candidates by what is expected of them. See `select.Selector`."""
        guard = self._shortlists
        with guard.call() as answered:
            response = await self._selector.shortlist(request, deadline.share(1.0, at_most=guard.limit_s))
            answered()
            return response


class CircuitAggregator:
    """An aggregator that costs no route more than a moment while it hangs."""

    def __init__(self, aggregator: Aggregator, clock: Callable[[], float] = time.monotonic) -> None:
        """Asks `aggregator`; `clock` gives seconds."""
        self._aggregator = aggregator
        self._synthesis = ServiceCircuit("aggregator", _MODEL_LIMIT_S, clock)
        self._others = ServiceCircuit("aggregator", _LIMIT_S, clock)

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then how it came about. See `aggregate.Aggregator`."""
        guard = self._synthesis if request.strategy == AGGREGATOR_STRATEGY_SYNTHESIZE else self._others
        with guard.call() as answered:
            async with aclosing(self._aggregator.aggregate(request, deadline)) as events:
                while True:
                    try:
                        # Around the wait alone: what the reader does with a piece takes its own time.
                        async with asyncio.timeout(guard.limit_s):
                            event = await anext(events)
                    except StopAsyncIteration:
                        return
                    except TimeoutError:
                        raise deadline_exceeded(f"the aggregator was silent for {guard.limit_s:g} seconds") from None
                    answered()
                    yield event


def _later(seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, call)
