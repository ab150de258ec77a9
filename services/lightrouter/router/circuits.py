"""Time limits and circuits for selector and aggregator.

A service that hangs costs a few routes the time limit. Then its circuit is open, and later routes go on without it,
until it answers again.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Final

from lightrouter.router.stages.aggregate import Aggregator
from lightrouter.router.stages.select import Selector
from lightrouter.runtime.circuit import Circuit
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.heartbeat import HEARTBEAT_SECONDS
from lightrouter.runtime.ledger import SLOW
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_UPSTREAM_UNAVAILABLE
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_LLM
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse

# Choices, like all constants here. A strategy without a model answers in milliseconds. A judge is a model, which may
# think before its first word; the selector gets this limit as its deadline.
_LIMIT_S: Final = 3.0
_MODEL_LIMIT_S: Final = 20.0
# How long a synthesizer may think is the aggregator's own setting: it shows that it lives while it waits.
_SILENCE_LIMIT_S: Final = 4 * HEARTBEAT_SECONDS
_FAILURES: Final = 3
_COOLDOWN_S: Final = 5.0
# A timeout counts against the service from this many times its usual latency, and from this many seconds. A shorter one
# may be due to the caller's short deadline.
_TELLING_FACTOR: Final = 3.0
_MIN_TELLING_S: Final = 0.5
# Weight of the past in the moving average of the latency.
_MEMORY: Final = 0.9


class ServiceCircuit:
    """The time limit and the circuit for one kind of calls to a service."""

    def __init__(self, service: str, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with a closed circuit.

        Args:
            service: Name of the service, for messages.
            limit_s: Longest wait for its next message, in seconds.
            clock: Returns the time in seconds.
        """
        self.limit_s = limit_s
        self._service = service
        self._clock = clock
        # Before the first answer: a wait of three quarters of the limit counts, so that a small difference between the
        # clocks of the timeout and of this class does not matter.
        self._usual_s = limit_s / (_TELLING_FACTOR + 1)
        self._circuit = Circuit(_FAILURES, _COOLDOWN_S, clock=clock, later=_later)

    @contextmanager
    def call(self) -> Iterator[Callable[[], None]]:
        """Lets one call pass; yields a function to call when the service has answered.

        Raises:
            ServiceError: The circuit is open, after several calls in a row without an answer.
        """
        try:
            permit = self._circuit.admit()
        except ServiceError as error:
            message = f"the circuit of the {self._service} is open after {_FAILURES} calls in a row without an answer"
            raise ServiceError(
                Code.UNAVAILABLE, ERROR_REASON_CIRCUIT_OPEN, message, retry_after=error.retry_after
            ) from None
        started_at, works = self._clock(), None

        def answered() -> None:
            nonlocal works
            if works is None:
                works = True
                self._usual_s = _MEMORY * self._usual_s + (1 - _MEMORY) * (self._clock() - started_at)

        try:
            yield answered
        except ServiceError as error:
            if works is None:
                works = self._works(error, self._clock() - started_at)
            raise
        finally:
            self._circuit.record(permit, works)

    def _works(self, error: ServiceError, waited_s: float) -> bool | None:
        """Returns whether a failure shows that the service works; None if it shows nothing."""
        if error.reason in SLOW:
            telling_s = min(self.limit_s, max(_MIN_TELLING_S, _TELLING_FACTOR * self._usual_s))
            return False if waited_s >= telling_s else None
        # A service that cannot be reached fails at once; an open circuit would only find out later that it is back.
        return None if error.reason == ERROR_REASON_UPSTREAM_UNAVAILABLE else True


class CircuitSelector:
    """A selector behind circuits, one per kind of call."""

    def __init__(self, selector: Selector, clock: Callable[[], float] = time.monotonic) -> None:
        """Calls `selector`; `clock` returns the time in seconds."""
        self._selector = selector
        self._shortlists = ServiceCircuit("selector", _LIMIT_S, clock)
        self._judges = ServiceCircuit("selector", _MODEL_LIMIT_S, clock)
        # A judge that hangs says nothing about the strategies without a judge.
        self._others: defaultdict[int, ServiceCircuit] = defaultdict(
            lambda: ServiceCircuit("selector", _LIMIT_S, clock)
        )

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials. See `select.Selector`."""
        strategy = request.strategy
        circuit = self._judges if strategy == SELECTOR_STRATEGY_LLM else self._others[strategy]
        with circuit.call() as answered:
            response = await self._selector.select(request, deadline.share(1.0, at_most=circuit.limit_s))
            answered()
            return response

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        """Returns the candidates by expected quality. See `select.Selector`."""
        circuit = self._shortlists
        with circuit.call() as answered:
            response = await self._selector.shortlist(request, deadline.share(1.0, at_most=circuit.limit_s))
            answered()
            return response


class CircuitAggregator:
    """An aggregator behind circuits, one for synthesis and one for the other strategies."""

    def __init__(self, aggregator: Aggregator, clock: Callable[[], float] = time.monotonic) -> None:
        """Calls `aggregator`; `clock` returns the time in seconds."""
        self._aggregator = aggregator
        self._synthesis = ServiceCircuit("aggregator", _SILENCE_LIMIT_S, clock)
        self._others = ServiceCircuit("aggregator", _LIMIT_S, clock)

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then the result. See `aggregate.Aggregator`."""
        circuit = self._synthesis if request.strategy == AGGREGATOR_STRATEGY_SYNTHESIZE else self._others
        with circuit.call() as answered:
            async with aclosing(self._aggregator.aggregate(request, deadline)) as events:
                while True:
                    try:
                        # The limit is for the wait alone, without the time that the reader needs for a piece.
                        async with asyncio.timeout(circuit.limit_s):
                            event = await anext(events)
                    except StopAsyncIteration:
                        return
                    except TimeoutError:
                        raise deadline_exceeded(f"the aggregator was silent for {circuit.limit_s:g} seconds") from None
                    answered()
                    yield event


def _later(seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, call)
