"""RouterService: translates between gRPC and the router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from lightrouter.router.events import EventQueue, Events
from lightrouter.router.pages import page_of
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.repeats import RepeatedRequests
from lightrouter.router.route import Router
from lightrouter.runtime.caller import current_caller
from lightrouter.runtime.deadline import current_deadline
from lightrouter.v1.router_pb2 import (
    CandidateStatus,
    CompleteRequest,
    CompleteResponse,
    ListCandidatesRequest,
    ListCandidatesResponse,
    QuoteRequest,
    QuoteResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from lightrouter.v1.router_pb2_grpc import RouterServiceServicer

_Context = grpc.aio.ServicerContext[Any, Any]


class RouterServicer(RouterServiceServicer):
    """Answers prompts, says what answers would cost, and lists the pool."""

    def __init__(self, router: Router, traffic: TrafficMonitor, health: HealthMonitor) -> None:
        """Serves `router` and its pool."""
        self._router = router
        self._requests = RepeatedRequests(router)
        self._traffic = traffic
        self._health = health

    async def Complete(self, request: CompleteRequest, context: _Context) -> CompleteResponse:
        """Answers in one message."""
        del context
        answer = await self._requests.route(
            request.request_id, request.prompt, current_deadline(), Events(), current_caller()
        )
        return CompleteResponse(answer=answer)

    async def StreamComplete(
        self, request: StreamCompleteRequest, context: _Context
    ) -> AsyncIterator[StreamCompleteResponse]:
        """Sends the events of the route, the answer in pieces, and the ledger at the end."""
        del context
        events = EventQueue(wants_partials=request.stream_partials)
        answer = self._requests.route(request.request_id, request.prompt, current_deadline(), events, current_caller())
        route = asyncio.ensure_future(answer)
        route.add_done_callback(lambda _: events.close())

        try:
            while (event := await events.next()) is not None:
                yield event
            yield EventQueue.answered(await route)
        finally:
            route.cancel()
            # Takes the error of the route, which the event loop would log as never retrieved.
            await asyncio.gather(route, return_exceptions=True)

    async def Quote(self, request: QuoteRequest, context: _Context) -> QuoteResponse:
        """Says what an answer is expected to cost, without a model call."""
        del context
        return await self._router.quote(request.prompt, current_deadline())

    async def ListCandidates(self, request: ListCandidatesRequest, context: _Context) -> ListCandidatesResponse:
        """Lists the pool, or a page of it."""
        del context
        page = page_of(list(self._traffic.snapshot().candidates.values()), request.page_size, request.page_token)
        response = ListCandidatesResponse(conditions=self._traffic.conditions(), next_page_token=page.next_token)
        for candidate in page.candidates:
            health, traffic = self._health.of(candidate.address), self._traffic.of(candidate.name)
            status = CandidateStatus(candidate=candidate, health=health, traffic=traffic)
            # Where its adapter is concerns no caller.
            status.candidate.ClearField("address")
            response.candidates.append(status)
        return response
