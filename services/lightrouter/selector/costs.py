"""What a call is expected to cost by the terms that the router knows."""

from __future__ import annotations

from typing import Final

from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.v1.candidate_pb2 import CallTerms, Prices
from lightrouter.v1.chat_pb2 import Usage

# Assumed for unknown prices, in nano-dollars per million tokens. A choice: the list prices of hosted open models of
# some 70 billion parameters were $0.2 to $0.9 in 2025, and those of small commercial ones $0.1 to $0.6.
_ASSUMED_PRICES: Final = Prices(
    input_nanousd_per_million=200_000_000,
    cached_input_nanousd_per_million=200_000_000,
    output_nanousd_per_million=600_000_000,
)


def expected_cost(terms: CallTerms, output_tokens: float, own_tokens: float = 0.0) -> int:
    """Returns the expected cost of a call in nano-dollars, at assumed prices if the terms have none.

    Args:
        terms: The terms of the call.
        output_tokens: The tokens that it writes.
        own_tokens: The tokens of its own text that it reads behind the prompt.
    """
    cached = min(terms.cached_input_tokens, terms.input_tokens)
    usage = Usage(
        input_tokens=terms.input_tokens + round(own_tokens),
        cached_input_tokens=cached,
        cache_write_tokens=min(terms.cache_write_tokens, terms.input_tokens - cached),
        output_tokens=round(output_tokens),
    )
    return cost_nanousd(terms.prices if terms.HasField("prices") else _ASSUMED_PRICES, usage)
