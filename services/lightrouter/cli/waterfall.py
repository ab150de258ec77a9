"""Draws a trace on a terminal: the stages and model calls of a route, each with its start and duration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from lightrouter.cli.jaeger import Event, Span, Value
from lightrouter.cli.text import dollars, printable
from lightrouter.runtime.telemetry import names

# A choice: leaves room for names and times in 80 columns.
_BAR_CHARACTERS: Final = 28
_STYLES: Final = {names.ROUTE: "bold", names.BOOT: "yellow", names.SELECT: "magenta", names.AGGREGATE: "green"}


@dataclass(frozen=True, slots=True)
class _Row:
    depth: int
    span: Span
    events: Sequence[Event]


def waterfall(spans: Sequence[Span]) -> Table:
    """Returns a line for each stage and each model call, with its bar, times and attributes."""
    rows = list(_rows(spans))
    begin = min((row.span.begin for row in rows), default=0)
    length = max((row.span.end for row in rows), default=0) - begin
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("span", no_wrap=True)
    table.add_column("", no_wrap=True, width=_BAR_CHARACTERS)
    table.add_column("start", justify="right", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        span = row.span
        style = "red" if "error" in span.attributes else _STYLES.get(span.name, "cyan")
        table.add_row(
            Text("  " * row.depth + printable(span.name), style),
            Text(_bar(span, begin, length), style),
            _seconds(span.begin - begin),
            _seconds(span.end - span.begin),
            Text("\n".join(_notes(span, row.events))),
        )
    return table


def _rows(spans: Sequence[Span]) -> Iterator[_Row]:
    """Yields the spans that are not calls between services, each below its parent."""
    by_id = {span.id: span for span in spans}
    below: dict[str, list[Span]] = {}
    events: dict[str, list[Event]] = {}
    for span in spans:
        if span.kind != "internal":
            continue
        events[span.id] = list(span.events)
        above = by_id.get(span.parent)
        while above and above.kind != "internal":
            # The router, not the adapter, knows whether a call goes on.
            events[span.id] += [event for event in above.events if event.name == names.CHOSEN]
            above = by_id.get(above.parent)
        below.setdefault(above.id if above else "", []).append(span)

    def walk(parent: str, depth: int) -> Iterator[_Row]:
        for span in sorted(below.get(parent, ()), key=lambda each: (each.begin, each.end)):
            yield _Row(depth, span, events[span.id])
            yield from walk(span.id, depth + 1)

    return walk("", 0)


def _bar(span: Span, begin: int, length: int) -> str:
    unit = length / _BAR_CHARACTERS or 1.0
    first = min(int((span.begin - begin) / unit), _BAR_CHARACTERS - 1)
    last = max(first + 1, round((span.end - begin) / unit))
    return " " * first + "━" * (min(last, _BAR_CHARACTERS) - first)


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1e6:.3f} s"


def _notes(span: Span, events: Sequence[Event]) -> Iterator[str]:
    said = [*_of_a_model(span.attributes), *_of_a_stage(span.attributes)]
    if names.ERROR_TYPE in span.attributes:
        said.append(f"failed: {_text(span.attributes, names.ERROR_TYPE)}")
    if said:
        yield ", ".join(said)
    for event in events:
        if line := _line(event):
            yield line


def _of_a_model(attributes: Mapping[str, Value]) -> Iterator[str]:
    if names.GEN_AI_OPERATION_NAME not in attributes:
        return
    yield _text(attributes, names.CANDIDATE)
    if names.GEN_AI_USAGE_OUTPUT_TOKENS in attributes:
        read, cached, written = (
            attributes.get(name, 0)
            for name in (
                names.GEN_AI_USAGE_INPUT_TOKENS,
                names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
                names.GEN_AI_USAGE_OUTPUT_TOKENS,
            )
        )
        yield f"{read} tokens in ({cached} cached), {written} out"
        yield dollars(int(attributes.get(names.COST, 0)))
    yield from _words(attributes, names.GEN_AI_RESPONSE_FINISH_REASONS)


def _of_a_stage(attributes: Mapping[str, Value]) -> Iterator[str]:
    if names.GEN_AI_OPERATION_NAME in attributes:
        return
    if names.BOOT_TOKENS in attributes:
        yield f"{attributes[names.BOOT_TOKENS]} tokens each"
    if names.STRATEGY in attributes:
        yield _text(attributes, names.STRATEGY)
    if names.K in attributes:
        why = _text(attributes, names.SELECTION_REASON)
        yield f"k {attributes[names.K]} ({why}), margin {float(attributes.get(names.MARGIN, 0)):.2f}"
    if names.COST in attributes:
        yield dollars(int(attributes[names.COST]))
    if degraded := _words(attributes, names.DEGRADED):
        yield f"degraded: {', '.join(degraded)}"


def _line(event: Event) -> str:
    said = event.attributes
    candidate, why = _text(said, names.CANDIDATE), _text(said, names.MESSAGE)
    match event.name:
        case names.CANDIDATE_RANKED:
            on = " goes on" if said.get(names.CHOSEN) else ""
            return f"{said.get(names.RANK)}. {candidate} {float(said.get(names.SCORE, 0)):.2f}{on}"
        case names.CANDIDATE_DROPPED:
            return f"{candidate} dropped ({_text(said, names.REASON)}): {why}"
        case names.ANSWER_DEGRADED:
            return f"degraded ({_text(said, names.REASON)}): {why}"
        case names.RETRY:
            return f"attempt {said.get(names.ATTEMPT)} failed, retried: {why}"
        case names.CHECKPOINT | names.CHOSEN | names.DROPPED:
            word = event.name.removeprefix("lightrouter.")
            seconds = float(said.get(names.ELAPSED, 0))
            return f"{word} after {seconds:.3f} s and {said.get(names.GEN_AI_USAGE_OUTPUT_TOKENS, 0)} tokens"
        case _:
            return ""


def _text(attributes: Mapping[str, Value], name: str) -> str:
    return printable(str(attributes.get(name, "")))


def _words(attributes: Mapping[str, Value], name: str) -> list[str]:
    """Returns an attribute that is a list; Jaeger stores it as JSON."""
    try:
        found = json.loads(str(attributes.get(name, "[]")))
    except ValueError:
        return []
    return [printable(str(word)) for word in found] if isinstance(found, list) else []
