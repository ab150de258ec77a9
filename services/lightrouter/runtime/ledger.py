"""Tokens, money and time of model calls. Money is integer nano-dollars (10^-9 US dollars) throughout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import Prices, PromptTier
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_INVALID_REQUEST,
    ERROR_REASON_OVERLOADED,
    ERROR_REASON_PERMISSION_DENIED,
    ERROR_REASON_REQUEST_TOO_LARGE,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_TIMEOUT,
)
from lightrouter.v1.ledger_pb2 import (
    COST_BASIS_ESTIMATED,
    COST_BASIS_LOWER_BOUND,
    COST_BASIS_REPORTED,
    COST_BASIS_UNSPECIFIED,
    CostBasis,
    LedgerEntry,
    Stage,
)

MOST_NANOUSD = 2**63 - 1
"""The largest amount of money in a message, an int64."""
_MILLION = 1_000_000
# Choices: what one call can cost, read and take at most, so that the sums of a route fit into a message.
_MOST_OF_A_CALL = 10**15
_MOST_TOKENS = 2**31 - 1
_MOST_SECONDS = 10**6
_BILLION = 10**9
_COUNTS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")

Counted = TypeVar("Counted", LedgerEntry, GenerationResult)

SLOW = frozenset({ERROR_REASON_STRAGGLER, ERROR_REASON_DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT})
"""Reasons of failures by slowness."""
CUT_OFF = SLOW | {ERROR_REASON_CANCELLED}
"""Reasons of failures of calls for which nobody waited any longer."""
AT_THE_DOOR = frozenset(
    {
        ERROR_REASON_CIRCUIT_OPEN,
        ERROR_REASON_INVALID_REQUEST,
        ERROR_REASON_OVERLOADED,
        ERROR_REASON_PERMISSION_DENIED,
        ERROR_REASON_REQUEST_TOO_LARGE,
        ERROR_REASON_UNAUTHENTICATED,
    }
)
"""Reasons with which a service refuses a call before it begins, so that nothing is spent."""


def duration(seconds: float) -> Duration:
    """Returns `seconds` as a protobuf Duration, to the nanosecond."""
    nanoseconds = round(seconds * 1e9)
    return Duration(seconds=nanoseconds // 1_000_000_000, nanos=nanoseconds % 1_000_000_000)


def rates(prices: Prices, input_tokens: int) -> Prices | PromptTier:
    """Returns the prices of a call whose prompt has `input_tokens`: those of the last tier that it exceeds."""
    exceeded = [tier for tier in prices.tiers if input_tokens > tier.above_input_tokens]
    return max(exceeded, key=lambda tier: tier.above_input_tokens) if exceeded else prices


def most_nanousd(prices: Prices, input_tokens: int, output_tokens: int) -> int:
    """Returns the highest cost of a call with up to these tokens, in nano-dollars, rounded up."""
    # A shorter prompt costs more if the prices of its tier are higher.
    shorter = [tier.above_input_tokens for tier in prices.tiers if tier.above_input_tokens < input_tokens]
    costs = []
    for read in (input_tokens, *shorter):
        rate = rates(prices, read)
        # A provider may charge more for cached tokens than for fresh ones.
        dearest = max(
            rate.input_nanousd_per_million, rate.cached_input_nanousd_per_million, rate.cache_write_nanousd_per_million
        )
        costs.append(read * dearest + output_tokens * rate.output_nanousd_per_million)
    return -(-max(costs) // _MILLION)


def cost_nanousd(prices: Prices, usage: Usage) -> int:
    """Returns what `usage` costs at `prices`, in nano-dollars, rounded half up."""
    rate = rates(prices, usage.input_tokens)
    fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
    total = (
        fresh * rate.input_nanousd_per_million
        + usage.cached_input_tokens * rate.cached_input_nanousd_per_million
        + usage.cache_write_tokens * (rate.cache_write_nanousd_per_million or rate.input_nanousd_per_million)
        + usage.output_tokens * rate.output_nanousd_per_million
    )
    return (total + _MILLION // 2) // _MILLION


def entry(
    stage: Stage.ValueType,
    candidate: str,
    result: GenerationResult,
    *,
    restarted: bool = False,
    went_on: bool = False,
) -> LedgerEntry:
    """Returns the ledger entry of a successful model call; `went_on` if it was held at its boot tokens before."""
    line = LedgerEntry(
        stage=stage,
        candidate=candidate,
        model=result.model,
        usage=result.usage,
        cost_nanousd=result.cost_nanousd,
        elapsed=result.elapsed,
        finish_reason=result.finish_reason,
        attempts=result.attempts,
        restarted=restarted,
        went_on=went_on,
        cost_basis=cost_basis(result.usage),
        left_out=result.left_out,
    )
    if result.HasField("time_to_first_token"):
        line.time_to_first_token.CopyFrom(result.time_to_first_token)
    return line


def bounded(counted: Counted) -> Counted:
    """Returns the counts of another service without impossible numbers: those below 0, or beyond all reason.

    They would make sums fail after the calls are paid, or lower what a route has spent.
    """
    _bound(counted.usage, _COUNTS, _MOST_TOKENS)
    _bound(counted, ("cost_nanousd",), _MOST_OF_A_CALL)
    for name in ("elapsed", "time_to_first_token"):
        time: Duration = getattr(counted, name)
        if not _is_possible(time):
            time.Clear()
    return counted


def _is_possible(time: Duration) -> bool:
    return 0 <= time.seconds <= _MOST_SECONDS and 0 <= time.nanos < _BILLION


def _bound(message: Message, counts: Iterable[str], most: int) -> None:
    for name in counts:
        count = getattr(message, name)
        # To set a number would also say that there is a result.
        if not 0 <= count <= most:
            setattr(message, name, min(max(0, count), most))


def failed_entry(
    stage: Stage.ValueType,
    candidate: str,
    error: ServiceError,
    elapsed_s: float,
    *,
    usage: Usage | None = None,
    cost: int = 0,
    went_on: bool = False,
) -> LedgerEntry:
    """Returns the ledger entry of a model call that failed after `elapsed_s` seconds, with its usage and cost.

    `usage` and `cost` are the caller's estimate; values from the adapter take precedence.
    """
    if error.spent:
        usage, cost = error.spent
    cut_off = error.reason in CUT_OFF
    return LedgerEntry(
        stage=stage,
        candidate=candidate,
        usage=usage,
        cost_nanousd=cost,
        elapsed=duration(elapsed_s),
        attempts=error.attempts,
        finish_reason=error.finish_reason,
        failure=error.failure(),
        went_on=went_on,
        cost_basis=cost_basis(usage, cut_off=cut_off),
    )


def cost_basis(usage: Usage | None, *, cut_off: bool = False) -> CostBasis.ValueType:
    """Returns what the cost of a call with this usage rests on; `cut_off` if nobody waited for its end."""
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return COST_BASIS_UNSPECIFIED
    if cut_off:
        return COST_BASIS_LOWER_BOUND
    return COST_BASIS_ESTIMATED if usage.estimated else COST_BASIS_REPORTED


def total(entries: Iterable[LedgerEntry]) -> tuple[Usage, int]:
    """Returns the tokens and the money, in nano-dollars, of all entries; estimated if one of them is."""
    usage = Usage()
    cost = 0
    for line in entries:
        usage.input_tokens += line.usage.input_tokens
        usage.cached_input_tokens += line.usage.cached_input_tokens
        usage.cache_write_tokens += line.usage.cache_write_tokens
        usage.output_tokens += line.usage.output_tokens
        usage.reasoning_tokens += line.usage.reasoning_tokens
        usage.estimated |= line.usage.estimated
        cost += line.cost_nanousd
    return usage, cost
