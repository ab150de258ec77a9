"""Ledger lines of calls that failed, that were dropped, or that another service made; with the money of each."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.held import HeldStream
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import CUT_OFF, bounded, cost_nanousd, duration, entry, failed_entry
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CANCELLED
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, Degradation, LedgerEntry, Stage


def record_failure(
    route: RouteContext,
    stage: Stage.ValueType,
    candidate: RouteCandidate,
    error: ServiceError,
    started_at: float,
    *,
    read: str = "",
    received: str = "",
    went_on: bool = False,
) -> LedgerEntry:
    """Records a failed call in the ledger and returns its line.

    If text was received, or nobody waited for it any longer, the tokens are estimated: as input the conversation and
    `read`, as output the text, at most the limit of the stage.

    Args:
        route: The route.
        stage: The stage that made the call.
        candidate: The candidate that was called.
        error: How the call failed.
        started_at: When the call began, on the monotonic clock.
        read: Text that the candidate read in addition to the conversation.
        received: Text that the candidate wrote before the failure.
        went_on: Whether the call had been held at its boot tokens, and had gone on.
    """
    usage, cost = None, 0
    if received or error.reason in CUT_OFF:
        boots = stage == STAGE_BOOT and not went_on
        limit = candidate.boot_tokens + candidate.held_tokens if boots else candidate.output_tokens
        usage = Usage(
            input_tokens=_read_tokens(route, candidate) + estimate_tokens(read),
            output_tokens=min(limit, estimate_tokens(received)),
            estimated=True,
        )
        cost = cost_nanousd(candidate.spec.prices, usage)
    seconds = time.monotonic() - started_at
    line = failed_entry(stage, candidate.name, error, seconds, usage=usage, cost=cost, went_on=went_on)
    route.ledger.add(line)
    route.ledger.add_failure(candidate.name, error)
    return line


def record_service(
    route: RouteContext,
    reserved: int,
    lines: Iterable[LedgerEntry],
    degraded: Iterable[Degradation],
    asked: Iterable[RouteCandidate] = (),
) -> None:
    """Records the model calls and degradations that another service reports, and settles the money of the calls.

    Failed calls of the models in `asked` get their cost here: the service knows their tokens, but not the prices. If a
    call was cut off before it wrote anything, the cost of all is unknown, and the money stays reserved.
    """
    lines = [bounded(line) for line in lines]
    prices = {candidate.name: candidate.spec.prices for candidate in asked}
    for line in lines:
        if line.HasField("failure") and not line.cost_nanousd and line.candidate in prices:
            line.cost_nanousd = cost_nanousd(prices[line.candidate], line.usage)
    route.ledger.extend(lines, degraded)
    if not any(line.failure.reason in CUT_OFF and not line.usage.output_tokens for line in lines):
        route.budget.settle(reserved, sum(line.cost_nanousd for line in lines))


@asynccontextmanager
async def recording_all(route: RouteContext) -> AsyncIterator[None]:
    """Ends and records the calls that still run when the context is left, normally or not.

    Held calls are dropped, and closed when the context ends. Calls that were cancelled, because the caller left or the
    deadline passed, are recorded as failures with what they had received.
    """
    try:
        yield
    finally:
        drop_held(route)
        error = ServiceError(Code.CANCELLED, ERROR_REASON_CANCELLED, "the route ended before the call did")
        for call in route.calls:
            if not call.is_recorded:
                call.abandon(error)
        for boot in route.held:
            if boot.held:
                await boot.held.wait_closed()


def drop_held(route: RouteContext, keep: Iterable[BootResult] = ()) -> None:
    """Cancels the held calls and records them, without those of `keep` that can still go on."""
    kept = {boot.candidate.name for boot in keep if boot.is_open}
    for boot in route.held:
        if boot.candidate.name not in kept and boot.held and not boot.held.is_recorded:
            _record_dropped(route, boot, boot.held)


def _record_dropped(route: RouteContext, boot: BootResult, held: HeldStream) -> None:
    """Records a held call that does not go on, as far as it has come; it is no failure unless the call failed."""
    held.close()
    held.is_recorded = True
    name, result = boot.candidate.name, held.result
    if result is None:
        result = _result_so_far(route, boot, held)
    line = entry(STAGE_BOOT, name, result, restarted=held.restarted)
    if held.error:
        line.failure.CopyFrom(held.error.failure())
        route.ledger.add_failure(name, held.error)
    route.ledger.add(line)
    route.budget.settle(held.reserved, line.cost_nanousd)


def _result_so_far(route: RouteContext, boot: BootResult, held: HeldStream) -> GenerationResult:
    """Returns how a call stands that has not ended: its tokens and its cost are estimated."""
    result = GenerationResult()
    if held.booted:
        result.CopyFrom(held.booted)
    usage = result.usage
    usage.input_tokens = usage.input_tokens or _read_tokens(route, boot.candidate)
    usage.output_tokens = boot.used_tokens + held.tokens_after
    usage.estimated = True
    result.cost_nanousd = cost_nanousd(boot.candidate.spec.prices, usage)
    result.elapsed.CopyFrom(duration(time.monotonic() - held.started_at))
    return result


def _read_tokens(route: RouteContext, candidate: RouteCandidate) -> int:
    """Returns the estimated tokens that a candidate reads: the conversation and its own instructions."""
    return route.admission.prompt_tokens + candidate.spec.fixed_input_tokens
