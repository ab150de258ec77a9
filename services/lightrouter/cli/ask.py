"""`lightrouter ask`: a prompt, its stages live, its answer, its ledger."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from lightrouter.cli.access import Access, access_options
from lightrouter.cli.grammar import Duration, Url, command, option, output
from lightrouter.cli.output import print_document
from lightrouter.cli.prompts import prompt_options
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt, StreamCompleteRequest

if TYPE_CHECKING:
    from rich.console import Console

    from lightrouter.cli.progress import RouteProgress
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

_EXAMPLES: Final = """\
  lightrouter ask "Why is the sky blue?"
  lightrouter ask "What is 17 * 23?" --k 3 --aggregator vote --answer-pattern number
  lightrouter ask - -o json < prompt.txt | jq .ledger
  lightrouter ask "What is 17 * 23?" --worth 0.01        as much as a right answer for a cent is worth
  lightrouter ask "Summarize the French revolution" --candidates fast,careful --max-cost 0.002
  lightrouter ask "What is the weather in Oslo?" --tool weather.json
  lightrouter ask "What is in this picture?" --image cat.png --schema animal.json
  lightrouter ask "Why?" --jaeger http://localhost:16686  the answer, then where its time and money went
"""
_TRACING: Final = "Tracing (needs a router with --otlp-endpoint)"
# A choice: text appears to flow, and drawing costs little.
_REFRESHES_PER_SECOND: Final = 12

Metadata = tuple[tuple[str, str], ...]


@command("ask", _EXAMPLES)
@prompt_options
@access_options
@output("text", "json", "yaml")
@option("--timeout", type=Duration(), default="2m", help="time budget")
@option("--trace", is_flag=True, section=_TRACING, help="trace the request, and print the trace id")
@option("--jaeger", type=Url(), section=_TRACING, help="print the stages' waterfall from this Jaeger; implies --trace")
def ask(prompt: Prompt, reached: Access, output: str, timeout: float, trace: bool, jaeger: str | None) -> None:
    """Asks a router.

    A terminal shows the stages as they happen: each candidate's boot text, the scores, the candidates that go on, the
    answer, and the ledger. A pipe gets the answer as plain text (its cost goes to standard error), or with -o json the
    whole answer with its ledger.

    The router's configuration decides what you leave out.
    """
    if not (trace or jaeger):
        _ask(prompt, reached, reached.metadata, output, timeout)
        return
    from lightrouter.cli import tracing

    started = tracing.Trace()
    try:
        _ask(prompt, reached, (*reached.metadata, *started.metadata), output, timeout)
    finally:
        # The trace matters most when the request failed.
        tracing.show(started, jaeger)


def _ask(prompt: Prompt, reached: Access, metadata: Metadata, output: str, timeout: float) -> None:
    if output == "text" and sys.stdout.isatty():
        asyncio.run(_watch(prompt, reached, metadata, timeout))
        return
    answer = asyncio.run(_complete(prompt, reached, metadata, timeout))
    if output != "text":
        print_document(answer, output)
        return
    from lightrouter.cli import view

    text = "\n".join(filter(None, [answer.text, view.calls(answer)]))
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()
    sys.stderr.write(f"{view.summary(answer)}\n")


async def _complete(prompt: Prompt, reached: Access, metadata: Metadata, timeout: float) -> Answer:
    from lightrouter.cli import client

    async with client.router(reached) as stub:
        response = await stub.Complete(CompleteRequest(prompt=prompt), timeout=timeout, metadata=metadata)
        return response.answer


async def _watch(prompt: Prompt, reached: Access, metadata: Metadata, timeout: float) -> None:
    from rich.console import Console

    from lightrouter.cli import client, view

    console = Console()
    async with client.router(reached) as stub:
        progress = await watch(stub, prompt, timeout, console, metadata)
    console.print(view.final(progress))


async def watch(
    stub: RouterServiceAsyncStub, prompt: Prompt, timeout: float, console: Console, metadata: Metadata = ()
) -> RouteProgress:
    """Asks the prompt, draws the running route on the console, and returns it at its end."""
    from rich.live import Live

    from lightrouter.cli import view
    from lightrouter.cli.progress import RouteProgress

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
