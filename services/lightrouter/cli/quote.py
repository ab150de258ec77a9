"""`lightrouter quote`: who would be asked for a prompt, and what the answer would cost; no model is called."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from typing import Final

from google.protobuf.json_format import MessageToJson

from lightrouter.cli import access, ask, client
from lightrouter.cli.access import Access
from lightrouter.cli.errors import ExitCode
from lightrouter.cli.text import dollars, one_line, printable_json
from lightrouter.v1.candidate_pb2 import RankedCandidate
from lightrouter.v1.router_pb2 import Prompt, QuoteRequest, QuoteResponse

_DESCRIPTION: Final = """\
Says who would be asked first for a prompt, the expected quality and cost of that, and the most that the route can cost.
No model is called, and nothing is spent. It takes the arguments of `ask`.
"""
_EPILOG: Final = """\
examples:
  lightrouter quote "Why is the sky blue?"
  lightrouter quote "What is 17 * 23?" --worth 0.05
  lightrouter quote - --json < prompt.txt | jq .worstCostNanousd
"""
_TIMEOUT_S: Final = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `quote`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("--json", action="store_true", help="print the quote as JSON")
    ask.add_prompt_arguments(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Prints the quote."""
    quote = asyncio.run(_quote(ask.build_prompt(arguments), access.access_from(arguments)))
    if arguments.json:
        sys.stdout.write(printable_json(MessageToJson(quote, ensure_ascii=False)) + "\n")
    else:
        sys.stdout.writelines(f"{one_line(line)}\n" for line in lines(quote))
    return ExitCode.OK


def lines(quote: QuoteResponse) -> Iterator[str]:
    """Yields the quote in sentences: who is first, who else there is, and the costs."""
    names = ", ".join(each.candidate for each in quote.first)
    if quote.HasField("expected_cost_nanousd"):
        yield f"first: {_step(quote.first[0])}"
        for other in quote.others:
            yield f"else: {_step(other)}"
        yield f"expected cost: {_cost(quote.first[0], quote.expected_cost_nanousd)}, and more if one more is worth it"
    else:
        yield f"first: the boot tokens of {names}"
        yield "expected cost: not known, for the answer begins with a boot stage"
    yield f"at most: {dollars(quote.worst_cost_nanousd)}"
    for left_out in quote.not_asked:
        yield f"not asked: {left_out.candidate} ({left_out.message})"
    for degradation in quote.degraded:
        yield f"degraded: {degradation.message}"


def _step(ranked: RankedCandidate) -> str:
    action = ranked.actions[0]
    cost = _cost(ranked, action.cost_nanousd)
    return (
        f"{ranked.candidate}, expected quality {action.gain:.2f} for {cost}, {action.output_tokens:.0f} tokens written"
    )


def _cost(ranked: RankedCandidate, nanousd: int) -> str:
    """Returns a cost; a step with tokens that costs nothing has no known price."""
    return dollars(nanousd) if nanousd or not ranked.actions[0].output_tokens else "no known price"


async def _quote(prompt: Prompt, reached: Access) -> QuoteResponse:
    async with client.router(reached) as stub:
        return await stub.Quote(QuoteRequest(prompt=prompt), timeout=_TIMEOUT_S, metadata=reached.metadata)
