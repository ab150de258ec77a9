"""gRPC clients of the router: selector, aggregator, and the health of adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from opentelemetry.trace import Tracer

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.calls import answer, pieces_then_result, seconds_left
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.rpcspans import ClientCall
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse


class RemoteSelector:
    """The selector service at an address."""

    def __init__(self, channels: Channels, address: str, tracer: Tracer) -> None:
        """Calls `address` over `channels`; `tracer` makes the spans."""
        self._channels = channels
        self._address = address
        self._tracer = tracer

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials. See `select.Selector`."""
        timeout = seconds_left(deadline, "rank the candidates")
        traced = ClientCall(self._tracer, f"{names.SELECTOR_SERVICE}/Select")
        return await answer(self._channels.get(self._address), traced, request, SelectResponse, timeout)

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        """Returns the candidates by expected quality. See `select.Selector`."""
        timeout = seconds_left(deadline, "make the shortlist")
        traced = ClientCall(self._tracer, f"{names.SELECTOR_SERVICE}/Shortlist")
        return await answer(self._channels.get(self._address), traced, request, ShortlistResponse, timeout)


class RemoteAggregator:
    """The aggregator service at an address."""

    def __init__(self, channels: Channels, address: str, tracer: Tracer) -> None:
        """Calls `address` over `channels`; `tracer` makes the spans."""
        self._channels = channels
        self._address = address
        self._tracer = tracer

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then the result. See `aggregate.Aggregator`."""
        timeout = seconds_left(deadline, "merge the drafts")
        traced = ClientCall(self._tracer, f"{names.AGGREGATOR_SERVICE}/Aggregate")
        channel = self._channels.get(self._address)
        call = pieces_then_result(channel, traced, request, AggregateResponse, timeout)
        async with aclosing(call) as responses:
            async for response in responses:
                yield response


class AdapterHealth:
    """The health of adapters, over grpc.health.v1."""

    def __init__(self, channels: Channels) -> None:
        """Watches over `channels`."""
        self._channels = channels

    async def watch(self, address: str, *, wait: bool) -> AsyncGenerator[bool, None]:
        """Yields whether the adapter serves, now and whenever that changes. See `health.Watch`."""
        method = self._channels.hold(address).unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        call = method(HealthCheckRequest(service=names.ADAPTER_SERVICE), wait_for_ready=wait)
        try:
            async for response in call:
                yield response.status == HealthCheckResponse.SERVING
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        except asyncio.CancelledError:
            # A channel that is replaced cancels its calls. That must not look like the cancellation of this task.
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            reason = ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
            raise ServiceError(Code.UNAVAILABLE, reason, "the connection was replaced by a new one") from None
        finally:
            call.cancel()
            self._channels.release(address)
