"""`lightrouter quote`: who would be asked for a prompt, and what the answer would cost; no model is called."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Final

from lightrouter.cli.access import Access, access_options
from lightrouter.cli.grammar import command, output
from lightrouter.cli.output import print_document
from lightrouter.cli.prompts import prompt_options
from lightrouter.cli.text import dollars, one_line
from lightrouter.v1.candidate_pb2 import ACTION_BOOT, RankedCandidate
from lightrouter.v1.router_pb2 import Prompt, QuoteRequest, QuoteResponse

_EXAMPLES: Final = """\
  lightrouter quote "Why is the sky blue?"
  lightrouter quote "What is 17 * 23?" --worth 0.05
  lightrouter quote - -o json < prompt.txt | jq .worstCostNanousd
"""


@command("quote", _EXAMPLES)
@prompt_options
@access_options
@output("text", "json", "yaml")
def quote(prompt: Prompt, reached: Access, output: str) -> None:
    """Says who would be asked first for a prompt, the expected quality and cost, and the most that it can cost.

    No model is called, and nothing is spent. It takes the options of `ask` that make a prompt.
    """
    quoted = asyncio.run(_quote(prompt, reached))
    if output == "text":
        sys.stdout.writelines(f"{one_line(line)}\n" for line in lines(quoted))
    else:
        print_document(quoted, output)


def lines(quote: QuoteResponse) -> Iterator[str]:
    """Yields the quote in sentences: who is first, who else there is, and the costs."""
    names = ", ".join(each.candidate for each in quote.first)
    if quote.HasField("expected_cost_nanousd"):
        yield f"first: {_first(quote)}"
        for other in quote.others:
            yield f"else: {_step(other)}"
        yield f"expected cost: {_cost(quote.first[0], quote.expected_cost_nanousd)}{_further(quote.first[0])}"
    else:
        yield f"first: the boot tokens of {names}"
        yield "expected cost: not known, for the answer begins with a boot stage"
    yield f"at most: {dollars(quote.worst_cost_nanousd) if quote.worst_cost_nanousd else 'no known price'}"
    for left_out in quote.not_asked:
        yield f"not asked: {left_out.candidate} ({left_out.message})"
    for degradation in quote.degraded:
        yield f"degraded: {degradation.message}"


def _first(quote: QuoteResponse) -> str:
    """Returns who would be asked first, or who would boot."""
    action = quote.first[0].actions[0]
    if action.action != ACTION_BOOT:
        return _step(quote.first[0])
    names = ", ".join(each.candidate for each in quote.first)
    return (
        f"{action.output_tokens:.0f} boot tokens of {names}, and the whole answer of the one that began best, "
        f"expected quality {action.gain:.2f} for {_cost(quote.first[0], action.cost_nanousd)}"
    )


def _step(ranked: RankedCandidate) -> str:
    action = ranked.actions[0]
    cost = _cost(ranked, action.cost_nanousd)
    return (
        f"{ranked.candidate}, expected quality {action.gain:.2f} for {cost}, {action.output_tokens:.0f} tokens written"
    )


def _further(ranked: RankedCandidate) -> str:
    """Returns what the answers after the first one are expected to come to, or that they come on top."""
    action = ranked.actions[0]
    if not action.HasField("further_cost_nanousd"):
        return ", and more if one more is worth it"
    if not action.further_cost_nanousd:
        return ""
    further, gain = dollars(action.further_cost_nanousd), action.further_gain
    return f", {further} of it for further answers, which are expected to add {gain:.2f}"


def _cost(ranked: RankedCandidate, nanousd: int) -> str:
    """Returns a cost; a step with tokens that costs nothing has no known price."""
    return dollars(nanousd) if nanousd or not ranked.actions[0].output_tokens else "no known price"


async def _quote(prompt: Prompt, reached: Access) -> QuoteResponse:
    from lightrouter.cli import client

    async with client.router(reached) as stub:
        return await stub.Quote(QuoteRequest(prompt=prompt), timeout=client.ROUTER_S, metadata=reached.metadata)
