"""What the stages send to candidates, and how they write down what came back."""

from __future__ import annotations

import time
from collections.abc import Iterable

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.ledger import SLOW
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import cost_nanousd, entry, failed_entry
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.adapter_pb2 import Generation, GenerationResult
from lightrouter.v1.chat_pb2 import Sampling, Usage
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_UPSTREAM_MALFORMED,
    ERROR_REASON_UPSTREAM_TOO_LARGE,
)
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COMPLETION_FAILED, STAGE_BOOT, STAGE_COMPLETE, LedgerEntry, Stage

_CUT_OFF = SLOW | {ERROR_REASON_CANCELLED}


def sampling_of(route: RouteContext, tokens: int) -> Sampling:
    """Returns the request's sampling with another limit of output tokens."""
    sampling = Sampling()
    sampling.CopyFrom(route.admission.sampling)
    sampling.max_output_tokens = tokens
    return sampling


def boot_generation(route: RouteContext, candidate: RouteCandidate) -> Generation:
    """Returns what a candidate is asked for in the boot stage."""
    return Generation(
        messages=route.admission.messages,
        sampling=sampling_of(route, candidate.boot_tokens),
        candidate=candidate.name,
        stage=STAGE_BOOT,
        last_resort=candidate.name in route.ledger.resorts,
    )


def completion_generation(route: RouteContext, booted: BootResult, tokens: int) -> Generation:
    """Returns what a candidate is asked for to finish its draft, which may cost so many tokens."""
    # An adapter that writes a draft anew adds the tokens of what was there to those that are asked for.
    new_tokens = tokens if booted.goes_on else max(1, tokens - booted.used_tokens)
    return Generation(
        messages=route.admission.messages,
        prefix=booted.partial.text,
        continuation=booted.continuation,
        sampling=sampling_of(route, new_tokens),
        candidate=booted.candidate.name,
        stage=STAGE_COMPLETE,
        last_resort=booted.candidate.name in route.ledger.resorts,
    )


def takeover_generation(route: RouteContext, candidate: RouteCandidate, prefix: str, tokens: int) -> Generation:
    """Returns what a candidate is asked for to go on from what another one wrote, for so many tokens."""
    return Generation(
        messages=route.admission.messages,
        prefix=prefix,
        sampling=sampling_of(route, tokens),
        candidate=candidate.name,
        stage=STAGE_COMPLETE,
        last_resort=candidate.name in route.ledger.resorts,
    )


def record_failure(
    route: RouteContext,
    stage: Stage.ValueType,
    candidate: RouteCandidate,
    error: ServiceError,
    begun: float,
    *,
    read: str = "",
    received: str = "",
) -> LedgerEntry:
    """Writes down a call that failed, begun at `begun` on the monotonic clock, and returns its line.

    Where text was received, the tokens are estimated: the conversation, what stood before it (`read`), and the text, of
    which there are no more than the stage lets it write.
    """
    usage, cost = None, 0
    if received:
        tokens = route.admission.prompt_tokens + estimate_tokens(read)
        most = candidate.boot_tokens if stage == STAGE_BOOT else candidate.output_tokens
        written = min(most, estimate_tokens(received))
        usage = Usage(input_tokens=tokens, output_tokens=written, estimated=True)
        cost = cost_nanousd(candidate.spec.prices, usage)
    line = failed_entry(stage, candidate.name, error, time.monotonic() - begun, usage=usage, cost=cost)
    route.ledger.add(line)
    route.ledger.failed(candidate.name, error)
    return line


def settle_failed(route: RouteContext, error: ServiceError, reserved: int, line: LedgerEntry) -> None:
    """Gives back what was kept for a call that failed, less what its line says that it cost.

    What one that was cut off without a word has cost is not known, so the money for it stays set aside.
    """
    if error.reason not in SLOW or line.cost_nanousd:
        route.budget.settle(reserved, line.cost_nanousd)


def settle_service(route: RouteContext, reserved: int, lines: Iterable[LedgerEntry]) -> None:
    """Gives back what was kept for the model calls of another service, less what their lines say that they cost.

    Where one was cut off without a word, nobody knows what that has cost: the money for all of them stays set aside.
    """
    lines = list(lines)
    if not any(line.failure.reason in _CUT_OFF and not line.cost_nanousd for line in lines):
        route.budget.settle(reserved, sum(line.cost_nanousd for line in lines))


def record_success(
    route: RouteContext,
    stage: Stage.ValueType,
    candidate: RouteCandidate,
    result: GenerationResult,
    *,
    restarted: bool = False,
) -> LedgerEntry:
    """Writes down a call that delivered and returns its line."""
    line = entry(stage, candidate.name, result, restarted=restarted)
    route.ledger.add(line)
    route.budget.learn(candidate.name, result.least_tokens)
    return line


def completion_failed(route: RouteContext, candidate: RouteCandidate, error: ServiceError) -> None:
    """Writes down that a chosen candidate did not finish its draft."""
    message = f"{candidate.name} failed while it completed its draft: {error.message}"
    route.ledger.drop(DEGRADED_REASON_COMPLETION_FAILED, message, candidate.name, error)


def broken_off(route: RouteContext, candidate: RouteCandidate) -> None:
    """Writes down that a chosen candidate's draft was withheld in part, or ended for a reason that nobody knows."""
    message = (
        f"the draft of {candidate.name} may not be whole: its provider ended it, and neither the model nor a limit did"
    )
    route.ledger.drop(DEGRADED_REASON_COMPLETION_FAILED, message, candidate.name)


def empty_output(candidate: RouteCandidate) -> ServiceError:
    """Returns the error of a candidate that ended without a word."""
    return ServiceError(Code.UNAVAILABLE, ERROR_REASON_EMPTY_OUTPUT, f"{candidate.name} ended without any visible text")


def too_much(candidate: RouteCandidate) -> ServiceError:
    """Returns the error of a boot that is longer than its tokens can be."""
    message = f"{candidate.name} sent more text than {candidate.boot_tokens} boot tokens can have"
    return ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_TOO_LARGE, message)


def no_result(candidate: RouteCandidate) -> ServiceError:
    """Returns the error of a stream that ended without saying how."""
    message = f"the stream of {candidate.name} ended without a result"
    return ServiceError(Code.INTERNAL, ERROR_REASON_UPSTREAM_MALFORMED, message)
