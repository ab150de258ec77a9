"""Reflection of a server's protos under the name of today, v1, and under that of older clients, v1alpha."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

# The library serves v1alpha only; both versions have the same messages.
_V1: Final = "grpc.reflection.v1.ServerReflection"


def reflect(server: grpc.aio.Server, names: Iterable[str]) -> None:
    """Lets clients ask a server for the protos of these services."""
    names = (*names, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    servicer = reflection.aio.ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_registered_method_handlers(_V1, {"ServerReflectionInfo": handler})
