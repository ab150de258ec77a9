"""A router that answers as the test says, behind a real server and a real channel."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status
from typing_extensions import override

from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.status import to_status
from lightrouter.v1.router_pb2 import (
    CompleteRequest,
    CompleteResponse,
    ListCandidatesRequest,
    ListCandidatesResponse,
    Prompt,
    QuoteRequest,
    QuoteResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from lightrouter.v1.router_pb2_grpc import RouterServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class FakeRouter(RouterServiceServicer):
    """Answers each call with what it was given, and keeps the prompts and the metadata."""

    def __init__(
        self,
        route: Sequence[StreamCompleteResponse] = (),
        pool: ListCandidatesResponse | None = None,
        error: ServiceError | None = None,
        quote: QuoteResponse | None = None,
    ) -> None:
        self.route = route
        self.pool = pool or ListCandidatesResponse()
        self.error = error
        self.quote = quote or QuoteResponse()
        self.prompts: list[Prompt] = []
        self.metadata: list[dict[str, str | bytes]] = []

    @override
    async def Complete(self, request: CompleteRequest, context: Context) -> CompleteResponse:
        await self._called(request.prompt, context)
        answer = CompleteResponse(answer=self.route[-1].answer)
        answer.answer.text = "The sky is blue."
        return answer

    @override
    async def StreamComplete(
        self, request: StreamCompleteRequest, context: Context
    ) -> AsyncIterator[StreamCompleteResponse]:
        await self._called(request.prompt, context)
        for event in self.route:
            yield event

    @override
    async def ListCandidates(self, request: ListCandidatesRequest, context: Context) -> ListCandidatesResponse:
        await self._called(Prompt(), context)
        return self.pool

    @override
    async def Quote(self, request: QuoteRequest, context: Context) -> QuoteResponse:
        await self._called(request.prompt, context)
        return self.quote

    async def _called(self, prompt: Prompt, context: Context) -> None:
        self.prompts.append(prompt)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        if self.error:
            status: status_pb2.Status = to_status(self.error)
            await context.abort_with_status(rpc_status.to_status(status))
