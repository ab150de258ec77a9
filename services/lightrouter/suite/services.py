"""Selector, aggregator and models of this process, called directly."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from functools import partial

from lightrouter.adapter.engine import Engine
from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.models import Models
from lightrouter.selector.selector import Selector
from lightrouter.suite.addresses import LocalAddresses
from lightrouter.suite.calls import DirectCalls
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, StreamGenerateResponse
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse


class DirectModels:
    """The models of adapters in this process. See `runtime.rpc.models.Models`.

    The conversation is neither copied nor checked again for each of them: it was checked when it came into the process.
    """

    def __init__(self, calls: DirectCalls, engine: Callable[[str], Engine]) -> None:
        """Makes `calls` to what `engine` returns for a candidate's name; it may raise a ServiceError."""
        self._calls = calls
        self._engine = engine

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns the complete text of the model. See `Models.generate`."""

        async def serve() -> GenerateResponse:
            return await self._engine(target.candidate).generate(generation, deadline)

        return await self._calls.answer(None, serve, deadline, f"ask {target.candidate}")

    def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields the text as the model writes it, then the result. See `Models.stream`."""

        def serve() -> AsyncGenerator[StreamGenerateResponse, None]:
            engine = self._engine(target.candidate)
            return engine.stream(generation, deadline, checkpoint_tokens, unwatched=unwatched, joined=unwatched)

        # An engine answers before its deadline; a timer more for each message of each model is not free.
        return self._calls.bounded(serve, deadline, f"ask {target.candidate}")


class PoolModels:
    """All models of a pool. See `runtime.rpc.models.Models`."""

    def __init__(self, addresses: LocalAddresses, here: Models, elsewhere: Models) -> None:
        """Asks the models `here` at the addresses of this process, and those `elsewhere` at all others."""
        self._addresses = addresses
        self._here = here
        self._elsewhere = elsewhere

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns the complete text of the model. See `Models.generate`."""
        return await self._of(target).generate(target, generation, deadline)

    def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields the text as the model writes it, then the result. See `Models.stream`."""
        models = self._of(target)
        return models.stream(target, generation, deadline, checkpoint_tokens=checkpoint_tokens, unwatched=unwatched)

    def _of(self, target: ModelTarget) -> Models:
        return self._elsewhere if self._addresses.candidate_at(target.address) is None else self._here


class DirectSelector:
    """A selector in this process. See `router.stages.select.Selector`."""

    def __init__(self, calls: DirectCalls, selector: Selector) -> None:
        """Makes `calls` to `selector`."""
        self._calls = calls
        self._selector = selector

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials. See `select.Selector`."""
        serve = partial(self._selector.select, request, deadline)
        return await self._calls.answer(request, serve, deadline, "rank the candidates")

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        """Returns the candidates by expected quality. See `select.Selector`."""
        serve = partial(self._selector.shortlist, request)
        return await self._calls.answer(request, serve, deadline, "make the shortlist")


class DirectAggregator:
    """An aggregator in this process. See `router.stages.aggregate.Aggregator`."""

    def __init__(self, calls: DirectCalls, aggregator: Aggregator) -> None:
        """Makes `calls` to `aggregator`."""
        self._calls = calls
        self._aggregator = aggregator

    def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then the result. See `aggregate.Aggregator`."""
        serve = partial(self._aggregator.aggregate, request, deadline)
        return self._calls.pieces_then_result(request, serve, deadline, "merge the drafts")
