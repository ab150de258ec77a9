"""`lightrouter demo`: the suite with a small local model, a prompt that needs merging, and one without."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console, RenderableType
from rich.text import Text

from lightrouter.cli import client, view
from lightrouter.cli.access import Access
from lightrouter.cli.ask import watch
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import command
from lightrouter.cli.progress import RouteProgress
from lightrouter.cli.suite import SuiteOptions
from lightrouter.cli.text import log, printable, seconds
from lightrouter.cli.up import fetched_model
from lightrouter.v1.chat_pb2 import ChatMessage, Role, Sampling
from lightrouter.v1.ledger_pb2 import Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Prompt, SelectionReason, StreamCompleteRequest, StreamCompleteResponse

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

# A choice: many times what a prompt takes on two quiet cores, so that busy ones show the same.
_TIMEOUT_S: Final = 900.0
_ONE_SUFFICES: Final = frozenset({SelectionReason.SELECTION_REASON_MARGIN, SelectionReason.SELECTION_REASON_AGREEMENT})
# A choice: fits most terminals and pages.
_PIPED_WIDTH: Final = 120


@command("demo")
def demo() -> ExitCode:
    """Starts the suite with a small local model, asks two prompts, and stops.

    The whole suite starts on free ports with a small model (SmolLM2-135M, downloaded once) as three candidates. It
    asks one prompt that needs two merged drafts and one that a single candidate resolves, shows stages and costs, and
    stops everything. The model is tiny: watch how the answers are made, not how good they are.
    """
    # A fixed width if there is no terminal, as in CI logs and files.
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    try:
        # Before the event loop starts, so that Ctrl-C ends a download.
        asyncio.run(_demo(console, fetched_model()))
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def merging_prompt() -> Prompt:
    """Returns the prompt that needs merging: no candidate leads by enough, and two go on."""
    policy = Policy(
        boot_tokens=32,
        k=2,
        margin=1.0,
        agreement=1.0,
        selector=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
    )
    return _prompt("Why do people keep bees?", policy, Sampling(max_output_tokens=80))


def single_prompt() -> Prompt:
    """Returns the prompt that a single candidate resolves: partials that agree need no second one."""
    city = AnswerPattern(re2=r"\b(Paris|Lyon|Marseille)\b")
    policy = Policy(boot_tokens=48, k=2, margin=0.1, agreement=0.5, answer_pattern=city)
    question = "What is the capital of France? Answer with one sentence."
    return _prompt(question, policy, Sampling(max_output_tokens=80))


def shortfalls(merged: Answer, single: Answer) -> list[str]:
    """Returns what the two answers fail to show, one sentence each."""
    found: list[str] = []
    if len(merged.selection.chosen) != 2 or len(merged.candidates) != 2:
        found.append("the first prompt was not answered from two drafts")
    merging = [entry for entry in merged.ledger.entries if entry.stage == Stage.STAGE_AGGREGATE]
    if all(entry.HasField("failure") for entry in merging):
        found.append("the first prompt's drafts were not merged by a model")
    if len(single.selection.chosen) != 1 or single.selection.reason not in _ONE_SUFFICES:
        found.append("the second prompt was not resolved by one candidate")
    if any(entry.stage == Stage.STAGE_AGGREGATE for entry in single.ledger.entries):
        found.append("the second prompt paid for merging")
    return found


async def _demo(console: Console, model: Path) -> None:
    # Imported here, because the suite costs a second, which --help and a download need not pay.
    from lightrouter.cli.oneprocess import OneProcess

    options = SuiteOptions(listen="127.0.0.1:0", pool=None, model=model)
    async with _signals_cancel(), OneProcess(options, log) as suite:
        console.print(Text("starting router, selector, aggregator, three adapters and the model", "bold"))
        address = await suite.start()
        console.print(f"ready: {address}", highlight=False)
        async with client.router(Access(address)) as stub:
            merged = await _show(stub, merging_prompt(), console, "1. A prompt that needs two candidates")
            single = await _show(stub, single_prompt(), console, "2. A prompt that one candidate resolves")
    if found := shortfalls(merged, single):
        raise CommandError("\n".join(found))
    console.print(Text("both prompts were answered; everything is stopped", "bold green"))


@asynccontextmanager
async def _signals_cancel() -> AsyncIterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise AssertionError("a coroutine runs in a task")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    yield


async def _show(stub: RouterServiceAsyncStub, prompt: Prompt, console: Console, title: str) -> Answer:
    console.print()
    console.rule(Text(title, "bold"), align="left")
    console.print(Text(f"> {prompt.messages[-1].content}", "bold"))
    if console.is_terminal:
        progress = await watch(stub, prompt, _TIMEOUT_S, console)
    else:
        progress = RouteProgress()
        async for event in stub.StreamComplete(StreamCompleteRequest(prompt=prompt), timeout=_TIMEOUT_S):
            progress.apply(event)
            if (line := stage_line(event)) is not None:
                console.print(line, highlight=False)
    console.print(view.final(progress))
    return progress.whole_answer()


def stage_line(event: StreamCompleteResponse) -> RenderableType | None:
    """Returns an event's line for an output that cannot be redrawn; None if there is nothing to report."""
    match event.WhichOneof("event"):
        case "started":
            return (
                f"boot      {', '.join(event.started.candidates)} write {event.started.policy.boot_tokens} tokens each"
            )
        case "booted":
            entry, words = event.booted.entry, " ".join(printable(event.booted.partial.text).split())
            if entry.HasField("failure"):
                return Text(f"boot      {entry.candidate} failed: {printable(entry.failure.message)}")
            return Text(f"boot      {entry.candidate} after {seconds(entry.elapsed)}: {words[:80]}")
        case "selection":
            return Text("select    ").append_text(view.selection_line(event.selection))
        case "draft":
            return Text(f"complete  {event.draft.candidate} has a draft of {event.draft.characters} characters")
        case _:
            return None


def _prompt(content: str, policy: Policy, sampling: Sampling) -> Prompt:
    message = ChatMessage(role=Role.ROLE_USER, content=content)
    return Prompt(messages=[message], policy=policy, sampling=sampling)
