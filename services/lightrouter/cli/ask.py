"""`lightrouter ask`: a prompt, its stages live, its answer, its ledger."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING, Final

from google.protobuf.json_format import MessageToJson
from rich.console import Console
from rich.live import Live

from lightrouter.cli import access, attachments, client, tracing, values, view
from lightrouter.cli.access import Access
from lightrouter.cli.answers import PATTERN_HELP, answer_pattern
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.progress import RouteProgress
from lightrouter.cli.text import printable_json
from lightrouter.runtime import enums
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Hold, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt, StreamCompleteRequest

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

_DESCRIPTION: Final = """\
Asks a router. A terminal shows the stages as they happen: each candidate's boot text, the scores, the candidates that
go on, the answer, and the ledger. A pipe gets the answer as plain text (its cost goes to standard error), or with
--json the whole answer with its ledger.

The router's configuration decides what you leave out.
"""

_EPILOG: Final = """\
examples:
  lightrouter ask "Why is the sky blue?"
  lightrouter ask "What is 17 * 23?" --k 3 --aggregator vote --answer-pattern number
  lightrouter ask - --json < prompt.txt | jq .ledger
  lightrouter ask "Summarize the French revolution" --candidates fast,careful --max-cost 0.002
  lightrouter ask "What is the weather in Oslo?" --tool weather.json
  lightrouter ask "What is in this picture?" --image cat.png --schema animal.json
  lightrouter ask "Why?" --jaeger http://localhost:16686    the answer, then where its time and money went
"""

# A choice: text appears to flow, and drawing costs little.
_REFRESHES_PER_SECOND: Final = 12

Metadata = tuple[tuple[str, str], ...]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `ask`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("prompt", metavar="PROMPT", help="the prompt; - reads it from standard input")
    access.add_arguments(parser)
    tracing.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the answer with its ledger as JSON")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="time budget; default: 120")
    parser.add_argument("--system", metavar="TEXT", help="instructions for the whole conversation")
    policy = parser.add_argument_group("routing")
    policy.add_argument("--boot-tokens", type=int, metavar="N", help="tokens that each candidate writes first")
    policy.add_argument("--k", type=int, metavar="N", help="candidates that go on after the ranking")
    policy.add_argument("--selector", choices=enums.labels(SelectorStrategy), help="how to rank the partials")
    policy.add_argument("--aggregator", choices=enums.labels(AggregatorStrategy), help="how drafts become the answer")
    policy.add_argument("--candidates", metavar="A,B", help="names of the candidates that may answer")
    policy.add_argument("--max-cost", type=values.money, metavar="USD", help="maximum cost of the route, US dollars")
    policy.add_argument("--margin", type=float, metavar="X", help="lead, 0 to 1, at which one candidate is enough")
    policy.add_argument(
        "--agreement", type=float, metavar="X", help="agreement, 0 to 1, at which one candidate is enough"
    )
    policy.add_argument(
        "--hold", choices=enums.labels(Hold), help="whether the calls that boot stay open until the ranking"
    )
    pattern = policy.add_mutually_exclusive_group()
    pattern.add_argument(
        "--answer-pattern", metavar="PATTERN", help=f"the comparable answer, for voting: {PATTERN_HELP}"
    )
    pattern.add_argument("--answer-pointer", metavar="POINTER", help="JSON pointer to the comparable answer")
    attachments.add_arguments(parser)
    sampling = parser.add_argument_group("generation")
    sampling.add_argument("--max-output-tokens", type=int, metavar="N", help="maximum tokens of the answer")
    sampling.add_argument("--temperature", type=float, metavar="X", help="randomness, 0 to 2")
    sampling.add_argument("--seed", type=int, metavar="N", help="seed of every random choice")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Asks the prompt and prints the answer."""
    if not arguments.timeout > 0:
        raise CommandError("--timeout must be more than 0", ExitCode.USAGE)
    prompt = build_prompt(arguments)
    reached = access.access_from(arguments)
    trace = tracing.trace_from(arguments)
    metadata = (*reached.metadata, *(trace.metadata if trace else ()))
    try:
        _ask(prompt, reached, metadata, arguments)
    finally:
        # The trace matters most when the request failed.
        if trace:
            tracing.show(trace, arguments.jaeger)
    return ExitCode.OK


def _ask(prompt: Prompt, reached: Access, metadata: Metadata, arguments: argparse.Namespace) -> None:
    if sys.stdout.isatty() and not arguments.json:
        asyncio.run(_watch(prompt, reached, metadata, arguments.timeout))
        return
    answer = asyncio.run(_complete(prompt, reached, metadata, arguments.timeout))
    if arguments.json:
        sys.stdout.write(printable_json(MessageToJson(answer, ensure_ascii=False)) + "\n")
        sys.stdout.flush()
        return
    text = "\n".join(filter(None, [answer.text, view.calls(answer)]))
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()
    sys.stderr.write(f"{view.summary(answer)}\n")


def build_prompt(arguments: argparse.Namespace) -> Prompt:
    """Returns the prompt for these arguments of `ask`; missing arguments leave their fields unset.

    Raises:
        CommandError: The prompt is empty, or a file cannot be used.
    """
    content = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt
    if not content.strip():
        raise CommandError("the prompt is empty", ExitCode.USAGE)
    prompt = Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content=content)], policy=_policy(arguments))
    attachments.attach(arguments, prompt)
    if arguments.system:
        prompt.messages.insert(0, ChatMessage(role=Role.ROLE_SYSTEM, content=arguments.system))
    for name in ("max_output_tokens", "temperature", "seed"):
        if (value := getattr(arguments, name)) is not None:
            setattr(prompt.sampling, name, value)
    return prompt


def _policy(arguments: argparse.Namespace) -> Policy:
    policy = Policy(
        boot_tokens=arguments.boot_tokens,
        k=arguments.k,
        max_cost_nanousd=arguments.max_cost,
        margin=arguments.margin,
        agreement=arguments.agreement,
    )
    if arguments.selector:
        policy.selector = enums.value(SelectorStrategy, arguments.selector)
    if arguments.aggregator:
        policy.aggregator = enums.value(AggregatorStrategy, arguments.aggregator)
    if arguments.hold:
        policy.hold = enums.value(Hold, arguments.hold)
    if arguments.candidates:
        policy.candidates.extend(name.strip() for name in arguments.candidates.split(",") if name.strip())
    if arguments.answer_pattern is not None:
        policy.answer_pattern.CopyFrom(answer_pattern(arguments.answer_pattern))
    if arguments.answer_pointer is not None:
        policy.answer_pattern.json_pointer = arguments.answer_pointer
    return policy


async def _complete(prompt: Prompt, reached: Access, metadata: Metadata, timeout: float) -> Answer:
    async with client.router(reached) as stub:
        response = await stub.Complete(CompleteRequest(prompt=prompt), timeout=timeout, metadata=metadata)
        return response.answer


async def _watch(prompt: Prompt, reached: Access, metadata: Metadata, timeout: float) -> None:
    console = Console()
    async with client.router(reached) as stub:
        progress = await watch(stub, prompt, timeout, console, metadata)
    console.print(view.final(progress))


async def watch(
    stub: RouterServiceAsyncStub,
    prompt: Prompt,
    timeout: float,
    console: Console,
    metadata: Metadata = (),
) -> RouteProgress:
    """Asks the prompt, draws the running route on the console, and returns it at its end."""
    progress = RouteProgress()
    request = StreamCompleteRequest(prompt=prompt, stream_partials=True)
    with Live(
        console=console,
        transient=True,
        refresh_per_second=_REFRESHES_PER_SECOND,
        get_renderable=lambda: view.live(progress),
    ):
        async for event in stub.StreamComplete(request, timeout=timeout, metadata=metadata):
            progress.apply(event)
    return progress
