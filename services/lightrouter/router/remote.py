"""The other services over gRPC: selector, aggregator, and the health of adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from lightrouter.runtime import names
from lightrouter.runtime.channels import Channels
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.status import from_rpc_error
from lightrouter.runtime.telemetry import outgoing_metadata
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceStub
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from lightrouter.v1.selector_pb2_grpc import SelectorServiceStub


class RemoteSelector:
    """The selector service at an address."""

    def __init__(self, channels: Channels, address: str) -> None:
        """Calls `address` over `channels`."""
        self._channels = channels
        self._address = address

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials. See `select.Selector`."""
        timeout = _timeout(deadline, "rank the candidates")
        try:
            stub = self._channels.stub(self._address, SelectorServiceStub)
            return await stub.Select(request, timeout=timeout, metadata=outgoing_metadata())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None


class RemoteAggregator:
    """The aggregator service at an address."""

    def __init__(self, channels: Channels, address: str) -> None:
        """Calls `address` over `channels`."""
        self._channels = channels
        self._address = address

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then how it came about. See `aggregate.Aggregator`."""
        timeout = _timeout(deadline, "merge the drafts")
        stub = self._channels.stub(self._address, AggregatorServiceStub)
        call = stub.Aggregate(request, timeout=timeout, metadata=outgoing_metadata())
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()


class AdapterHealth:
    """What adapters say of their health (grpc.health.v1)."""

    def __init__(self, channels: Channels) -> None:
        """Watches over `channels`."""
        self._channels = channels

    async def watch(self, address: str, *, wait: bool) -> AsyncGenerator[bool, None]:
        """Yields whether the adapter serves, now and whenever that changes. See `health.Watch`."""
        method = self._channels.get(address).unary_stream(
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
            # A channel that was replaced ends its calls so at last; that must not look like the end of this task.
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            reason = ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
            raise ServiceError(Code.UNAVAILABLE, reason, "the connection was replaced by a new one") from None
        finally:
            call.cancel()


def _timeout(deadline: Deadline, what: str) -> float:
    remaining = deadline.remaining()
    if remaining <= 0:
        raise deadline_exceeded(f"no time was left to {what}")
    return remaining
