"""Calls to a router; failures become sentences that name the wrong field and its flag."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import grpc

from lightrouter.cli.access import ADDRESS_VARIABLE, Access
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.prompts import flag
from lightrouter.cli.text import enum_word, printable
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.router_pb2 import ListCandidatesRequest, ListCandidatesResponse
from lightrouter.v1.router_pb2_grpc import RouterServiceStub

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

ROUTER_S: Final = 10.0
"""Most seconds of a call that makes no model call. A choice: the router answers from memory, so a longer wait means a
fault."""


@asynccontextmanager
async def router(access: Access) -> AsyncIterator[RouterServiceAsyncStub]:
    """Yields a stub for a router; a failed call raises CommandError. Calls need `access.metadata`."""
    channels = Channels(tls=access.tls, server_name=access.server_name)
    try:
        yield RouterServiceStub(channels.get(access.address))
    except grpc.aio.AioRpcError as error:
        raise failure(from_rpc_error(error), access) from None
    finally:
        await channels.close()


async def listed(access: Access) -> ListCandidatesResponse:
    """Returns what a router says of its candidates."""
    async with router(access) as stub:
        return await stub.ListCandidates(ListCandidatesRequest(), timeout=ROUTER_S, metadata=access.metadata)


def failure(error: ServiceError, access: Access) -> CommandError:
    """Returns the error that a person reads after a failed call to a router."""
    if error.code is Code.UNAVAILABLE and error.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE:
        return CommandError(_unreachable(access))
    if error.violations:
        lines = [
            f"{_flagged(violation.field)}: {printable(violation.message.removeprefix(f'{violation.field}: '))}"
            for violation in error.violations
        ]
        return CommandError("\n".join(lines), ExitCode.USAGE)
    reason = enum_word(ErrorReason, error.reason)
    lines = [f"{printable(error.message)} ({reason})"]
    for candidate, one in error.failures.items():
        why = enum_word(ErrorReason, one.reason)
        lines.append(f"  {candidate}: {printable(one.message)} ({why})")
    if error.code is Code.UNAUTHENTICATED:
        lines.append("pass a token that the router knows with --token-file")
    if error.retry_after is not None:
        lines.append(f"try again in {error.retry_after:g} s")
    return CommandError("\n".join(lines))


def _unreachable(access: Access) -> str:
    if access.tls:
        return (
            f"no router answers at {access.address} over TLS; it is not running, it serves without TLS, "
            "--tls-ca-file has not signed its certificate, the certificate has another name (--tls-server-name), "
            "or it requires a caller's certificate (--tls-cert-file)"
        )
    return (
        f"no router answers at {access.address}; start one with `lightrouter up`, "
        f"or give its address with --address or {ADDRESS_VARIABLE}"
    )


def _flagged(path: str) -> str:
    for part in reversed(path.replace("[", ".").split(".")):
        if found := flag(part):
            return f"{found} ({path})"
    return path
