"""Calls to a router, with failures as sentences that name the field and the flag at fault."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import grpc

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.text import enum_word, printable
from lightrouter.runtime.channels import Channels
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.status import from_rpc_error
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.router_pb2_grpc import RouterServiceStub

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
"""Where `lightrouter up` listens unless told otherwise."""
ADDRESS_VARIABLE: Final = "LIGHTROUTER_ADDRESS"
"""The environment variable that names the router."""

_FLAGS: Final = {
    "boot_tokens": "--boot-tokens",
    "k": "--k",
    "selector": "--selector",
    "aggregator": "--aggregator",
    "candidates": "--candidates",
    "max_cost_nanousd": "--max-cost",
    "margin": "--margin",
    "agreement": "--agreement",
    "answer_pattern": "--answer-pattern",
    "re2": "--answer-pattern",
    "json_pointer": "--answer-pointer",
    "max_output_tokens": "--max-output-tokens",
    "temperature": "--temperature",
    "seed": "--seed",
}


@asynccontextmanager
async def router(address: str) -> AsyncIterator[RouterServiceAsyncStub]:
    """Gives a stub for the router at `address`; what a call fails with comes out as CommandError."""
    channels = Channels()
    try:
        yield RouterServiceStub(channels.get(address))
    except grpc.aio.AioRpcError as error:
        raise failure(from_rpc_error(error), address) from None
    finally:
        await channels.close()


def failure(error: ServiceError, address: str) -> CommandError:
    """Returns what a person reads about a call to the router at `address` that failed."""
    if error.code is Code.UNAVAILABLE and error.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE:
        return CommandError(
            f"no router answers at {address}; start one with `lightrouter up`, "
            f"or say where it is with --address or {ADDRESS_VARIABLE}"
        )
    if error.violations:
        lines = [f"{_flagged(violation.field)}: {printable(violation.message)}" for violation in error.violations]
        return CommandError("\n".join(lines), ExitCode.USAGE)
    reason = enum_word(ErrorReason.Name(error.reason), "ERROR_REASON_")
    lines = [f"{printable(error.message)} ({reason})"]
    for candidate, one in error.failures.items():
        why = enum_word(ErrorReason.Name(one.reason), "ERROR_REASON_")
        lines.append(f"  {candidate}: {printable(one.message)} ({why})")
    if error.retry_after is not None:
        lines.append(f"try again in {error.retry_after:g} s")
    return CommandError("\n".join(lines))


def address_from(given: str | None) -> str:
    """Returns the router's address: what was given, else the environment's, else where `lightrouter up` listens."""
    return given or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


def _flagged(path: str) -> str:
    for part in reversed(path.replace("[", ".").split(".")):
        if part in _FLAGS:
            return f"{_FLAGS[part]} ({path})"
    return path
