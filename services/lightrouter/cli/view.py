"""Draws a route on a terminal: pure functions from its state to rich renderables."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lightrouter.answers.actions import shown
from lightrouter.cli.progress import CandidateProgress, Phase, RouteProgress
from lightrouter.cli.text import dollars, enum_word, one_line, printable, seconds
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.ledger_pb2 import LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Selection, SelectionReason

_STYLES = {
    Phase.ASKED: "yellow",
    Phase.BOOTING: "yellow",
    Phase.BOOTED: "cyan",
    Phase.DRAFTED: "green",
    Phase.COMPLETING: "bold cyan",
    Phase.FAILED: "red",
    Phase.DROPPED: "dim",
}
_REASONS = {
    SelectionReason.SELECTION_REASON_POLICY: "as the policy says",
    SelectionReason.SELECTION_REASON_MARGIN: "the first leads by the margin",
    SelectionReason.SELECTION_REASON_AGREEMENT: "the partials agree",
    SelectionReason.SELECTION_REASON_ONLY_ONE: "only one delivered",
    SelectionReason.SELECTION_REASON_COST_CEILING: "the cost ceiling covers no more",
    SelectionReason.SELECTION_REASON_GAIN: "one more draft is not worth its price",
    SelectionReason.SELECTION_REASON_HOMOGENEOUS_POOL: "the pool's candidates make the same errors",
    SelectionReason.SELECTION_REASON_WORTH: "one more answer is asked for only while it is worth its cost",
    SelectionReason.SELECTION_REASON_TIME: "the time for one more answer is over",
    SelectionReason.SELECTION_REASON_ACTION: "all call the same tools",
    SelectionReason.SELECTION_REASON_ACTION_DISPUTED: "they want different actions, and vote",
    SelectionReason.SELECTION_REASON_NO_BOOT: "it made the call whose result came",
}
# Choices: all candidates and the answer's end fit on one screen.
_BOOT_CHARACTERS = 240
_ANSWER_LINES = 8


def live(progress: RouteProgress) -> RenderableType:
    """Returns the running route, with only the ends of texts, so that it stays small."""
    parts: list[RenderableType] = [candidates(progress)]
    if progress.selection:
        parts.append(selection_line(progress.selection))
    if progress.text:
        tail = "\n".join(printable(progress.text).splitlines()[-_ANSWER_LINES:])
        parts.append(Panel(Text(tail), title="answer", title_align="left", border_style="green"))
    return Group(*parts)


def final(progress: RouteProgress) -> RenderableType:
    """Returns the whole route once it has ended."""
    answer = progress.whole_answer()
    parts: list[RenderableType] = [candidates(progress)]
    if progress.selection:
        parts.append(selection_line(progress.selection))
    text = "\n".join(filter(None, [answer.text, calls(answer)]))
    parts.append(Panel(Text(printable(text)), title="answer", title_align="left", border_style="green"))
    parts += [ledger(answer), *notes(answer)]
    return Group(*parts)


def candidates(progress: RouteProgress) -> Table:
    """Returns a row for each candidate with its boot text, score and phase."""
    table = Table(expand=True, border_style="dim")
    table.add_column("candidate", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("boot text", ratio=1)
    for candidate in _by_rank(progress):
        style = _STYLES[candidate.phase]
        score = "" if candidate.score is None else f"{candidate.score:.2f}"
        table.add_row(
            Text(printable(candidate.name), style), Text(candidate.phase, style), score, _boot_text(candidate)
        )
    return table


def selection_line(selection: Selection) -> Text:
    """Returns one line with the candidates that go on, and why this many."""
    strategy = enum_word(SelectorStrategy, selection.strategy)
    reason = _REASONS.get(selection.reason, "")
    chosen = " and ".join(selection.chosen) or "nobody"
    verb = "goes on" if len(selection.chosen) == 1 else "go on"
    line = f"{chosen} {verb}" + (f": {reason}" if reason else "")
    agreement = f"agreement {selection.ranking.agreement:.2f}, margin {selection.margin:.2f}"
    return Text(f"{printable(line)} (ranked by {strategy}; {agreement})", "bold")


def calls(answer: Answer) -> str:
    """Returns the tool calls of an answer, one a line."""
    return shown(answer.tool_calls)


def ledger(answer: Answer) -> Table:
    """Returns the ledger: a row for each model call, and the totals."""
    table = Table(title="ledger", title_justify="left", show_footer=True, border_style="dim")
    total = answer.ledger
    table.add_column("stage", "total")
    table.add_column("candidate", f"{len(total.entries)} calls")
    for heading, footer in zip(("input", "cached", "output"), _tokens(total.usage), strict=True):
        table.add_column(heading, footer, justify="right")
    table.add_column("cost", dollars(total.cost_nanousd), justify="right")
    table.add_column("time", seconds(total.elapsed), justify="right")
    table.add_column("end", "")
    for entry in total.entries:
        stage = enum_word(Stage, entry.stage)
        cost, elapsed = dollars(entry.cost_nanousd), seconds(entry.elapsed)
        table.add_row(stage, Text(printable(entry.candidate)), *_tokens(entry.usage), cost, elapsed, _end(entry))
    return table


def notes(answer: Answer) -> Iterator[Text]:
    """Yields a line on how the answer was made, one for each contradiction, and one for each degradation."""
    strategy = enum_word(AggregatorStrategy, answer.aggregator)
    made = f"answer by {strategy} from {' and '.join(answer.candidates)}, route {answer.route_id}"
    yield Text(printable(made), "dim")
    selection = answer.selection
    if selection.HasField("expected_cost_nanousd"):
        quality = f", quality {selection.expected_quality:.2f}" if selection.HasField("expected_quality") else ""
        yield Text(f"expected: cost {dollars(selection.expected_cost_nanousd)}{quality}", "dim")
    for alternative in (selection.instead, selection.further):
        if alternative.explanation:
            yield Text(f"not done: {printable(alternative.explanation)}", "dim")
    for contradiction in answer.contradictions:
        yield Text(f"contradiction: {printable(contradiction)}", "yellow")
    for degradation in answer.degraded:
        about = f" ({degradation.candidate})" if degradation.candidate else ""
        yield Text(f"degraded{printable(about)}: {printable(degradation.message)}", "red")


def summary(answer: Answer) -> str:
    """Returns the ledger in one line of plain text."""
    total = answer.ledger
    usage = total.usage
    tokens = f"{usage.input_tokens} input ({usage.cached_input_tokens} cached) + {usage.output_tokens} output tokens"
    about = "~" if usage.estimated else ""
    degraded = f" | degraded: {'; '.join(item.message for item in answer.degraded)}" if answer.degraded else ""
    names = "+".join(answer.candidates)
    calls = f"{len(total.entries)} calls"
    line = f"{dollars(total.cost_nanousd)} | {about}{tokens} | {calls} | {seconds(total.elapsed)} | {names}{degraded}"
    return one_line(line)


def _by_rank(progress: RouteProgress) -> list[CandidateProgress]:
    return sorted(progress.candidates.values(), key=lambda candidate: candidate.rank or len(progress.candidates) + 1)


def _boot_text(candidate: CandidateProgress) -> Text:
    if candidate.phase is Phase.FAILED:
        return Text(printable(candidate.note), "red")
    # Without line ends, every row has one line.
    flat = " ".join(printable(candidate.text).split())
    shown = flat if len(flat) <= _BOOT_CHARACTERS else "…" + flat[-_BOOT_CHARACTERS:]
    return Text(shown, "dim" if candidate.phase is Phase.DROPPED else "")


def _tokens(usage: Usage) -> tuple[str, str, str]:
    about = "~" if usage.estimated else ""
    return (
        f"{about}{usage.input_tokens:,}",
        f"{about}{usage.cached_input_tokens:,}",
        f"{about}{usage.output_tokens:,}",
    )


def _end(entry: LedgerEntry) -> Text:
    if entry.HasField("failure"):
        return Text(printable(entry.failure.message), "red")
    word = enum_word(FinishReason, entry.finish_reason)
    notes = [word, "written anew" if entry.restarted else "", "went on" if entry.went_on else ""]
    return Text(", ".join(note for note in notes if note))
