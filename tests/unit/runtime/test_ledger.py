"""Money is exact, tokens add up, times are Durations."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import cost_nanousd, duration, entry, failed_entry, most_nanousd, total
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import Prices, PromptTier
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import LedgerEntry, Stage

prices = st.integers(min_value=0, max_value=10**12)
tokens = st.integers(min_value=0, max_value=10**7)


@given(prices, prices, prices, tokens, tokens, tokens)
def test_cost_is_exact_to_half_a_nano_dollar(
    fresh_price: int, cached_price: int, output_price: int, fresh: int, cached: int, output: int
) -> None:
    asked = Prices(
        input_nanousd_per_million=fresh_price,
        cached_input_nanousd_per_million=cached_price,
        output_nanousd_per_million=output_price,
    )
    usage = Usage(input_tokens=fresh + cached, cached_input_tokens=cached, output_tokens=output)
    exact = Fraction(fresh * fresh_price + cached * cached_price + output * output_price, 10**6)
    assert abs(cost_nanousd(asked, usage) - exact) <= Fraction(1, 2)


tiers = st.builds(
    PromptTier,
    above_input_tokens=st.integers(1, 2000),
    input_nanousd_per_million=prices,
    cached_input_nanousd_per_million=prices,
    output_nanousd_per_million=prices,
    cache_write_nanousd_per_million=prices,
)


@given(st.lists(tiers, max_size=3), st.lists(st.integers(0, 1000), min_size=4, max_size=4), st.integers(0, 2000))
def test_no_call_with_up_to_so_many_tokens_costs_more(rates: list[PromptTier], parts: list[int], more: int) -> None:
    fresh, cached, stored, output = parts
    asked = Prices(
        input_nanousd_per_million=10**9,
        cached_input_nanousd_per_million=10**8,
        output_nanousd_per_million=10**10,
        tiers=rates,
    )
    usage = Usage(
        input_tokens=fresh + cached + stored,
        cached_input_tokens=cached,
        cache_write_tokens=stored,
        output_tokens=output,
    )
    assert most_nanousd(asked, usage.input_tokens + more, output + more) >= cost_nanousd(asked, usage)


usages = st.builds(
    Usage,
    input_tokens=tokens,
    cached_input_tokens=tokens,
    output_tokens=tokens,
    reasoning_tokens=tokens,
    estimated=st.booleans(),
)


@given(st.lists(st.builds(LedgerEntry, usage=usages, cost_nanousd=st.integers(0, 10**12)), max_size=20))
def test_total_is_the_sum_of_the_entries(entries: list[LedgerEntry]) -> None:
    usage, cost = total(entries)
    assert cost == sum(line.cost_nanousd for line in entries)
    assert usage.input_tokens == sum(line.usage.input_tokens for line in entries)
    assert usage.cached_input_tokens == sum(line.usage.cached_input_tokens for line in entries)
    assert usage.output_tokens == sum(line.usage.output_tokens for line in entries)
    assert usage.reasoning_tokens == sum(line.usage.reasoning_tokens for line in entries)
    assert usage.estimated == any(line.usage.estimated for line in entries)


@given(st.floats(min_value=0, max_value=1e8))
def test_duration_is_exact_to_the_nanosecond(seconds: float) -> None:
    made = duration(seconds)
    assert 0 <= made.nanos < 10**9
    assert abs(made.ToNanoseconds() - seconds * 1e9) <= 1


def test_entry_carries_the_result() -> None:
    result = GenerationResult(model="m", cost_nanousd=7, attempts=2, time_to_first_token=duration(0.25))
    line = entry(Stage.STAGE_BOOT, "a", result, restarted=True)
    assert (line.candidate, line.model, line.cost_nanousd, line.attempts) == ("a", "m", 7, 2)
    assert line.restarted
    assert line.time_to_first_token == duration(0.25)
    assert not entry(Stage.STAGE_BOOT, "a", GenerationResult()).HasField("time_to_first_token")


def test_failed_entry_names_the_failure_and_what_was_spent() -> None:
    error = ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_ERROR, "HTTP 500", attempts=3)
    line = failed_entry(Stage.STAGE_COMPLETE, "a", error, 1.5, usage=Usage(output_tokens=3), cost=9)
    assert line.failure.reason == ErrorReason.ERROR_REASON_UPSTREAM_ERROR
    assert (line.usage.output_tokens, line.cost_nanousd, line.elapsed) == (3, 9, duration(1.5))
    assert line.attempts == 3
