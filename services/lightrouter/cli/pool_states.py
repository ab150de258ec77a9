"""`lightrouter pool status|evict|readmit`: shows and overrides the candidates' states."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightrouter.cli import poolstore
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.text import one_line, printable, printable_json
from lightrouter.pool.choices import State
from lightrouter.pool.status import BY_HAND, DIVERSE, DRIFTED, CandidateStatus, PoolStatus

PIPED_WIDTH: Final = 400
"""Characters of a line without a terminal."""


def configure_status(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `status`."""
    parser.description = "Shows state, score with its interval, and the reason of each candidate's state."
    poolstore.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(act=_status)


def configure_evict(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `evict`."""
    parser.description = "Evicts a candidate. The evaluator ignores it until `lightrouter pool readmit`."
    _add_change_arguments(parser)
    parser.set_defaults(state=State.EVICTED)


def configure_readmit(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `readmit`."""
    parser.description = "Lets a candidate answer again. From now on the evaluator decides on it."
    _add_change_arguments(parser)
    parser.add_argument(
        "--probation",
        action="store_const",
        dest="state",
        const=State.PROBATION,
        default=State.ADMITTED,
        help="with little traffic until it is evaluated",
    )


def _add_change_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("candidate", metavar="CANDIDATE", help="its name")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, in one sentence")
    poolstore.add_arguments(parser)
    parser.set_defaults(act=_change)


def table(held: PoolStatus) -> Table:
    """Returns a table of the states and scores of a pool's candidates."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "since", "score", "interval", "prompts", "failed", "evaluated", "why"):
        shown.add_column(heading, overflow="fold")
    for name, entry in held.pool.entries.items():
        status = held.statuses.get(name, CandidateStatus())
        found = status.evaluation
        figures = (
            (
                f"{found.score:.2f}",
                f"{found.score_low:.2f} to {found.score_high:.2f}",
                str(found.prompts),
                str(found.failed),
                found.evaluated_at.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M"),
            )
            if found
            else ("", "", "0", "0", "never")
        )
        admitted = status.admitted
        why = f"{admitted.reason}: {admitted.message}" if admitted.reason else "as its entry says"
        since = Text(one_line(admitted.last_transition_time))
        shown.add_row(name, entry.state.value, since, *figures, Text(one_line(why)))
    return shown


def print_status(held: PoolStatus) -> None:
    """Prints the table, then the drifted candidates and whether the candidates make different errors."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(table(held))
    for name, status in held.statuses.items():
        if (drifted := status.condition(DRIFTED)) and drifted.status == "True":
            console.print(f"{name} has drifted: {printable(drifted.message)}.", markup=False, highlight=False)
        if diverse := status.condition(DIVERSE):
            console.print(printable(diverse.message), markup=False, highlight=False)


def print_json(held: PoolStatus) -> None:
    """Prints the candidates' states and scores by name, in the form of their status."""
    said = {name: held.status(name).to_json() for name in held.pool.entries}
    sys.stdout.write(printable_json(json.dumps(said, indent=2, ensure_ascii=False)) + "\n")


def _status(arguments: argparse.Namespace) -> ExitCode:
    held = asyncio.run(_read(arguments))
    if arguments.json:
        print_json(held)
    else:
        print_status(held)
    return ExitCode.OK


async def _read(arguments: argparse.Namespace) -> PoolStatus:
    async with poolstore.store_of(arguments) as store:
        return await store.read()


def _change(arguments: argparse.Namespace) -> ExitCode:
    return asyncio.run(_set(arguments, arguments.state))


async def _set(arguments: argparse.Namespace, state: State) -> ExitCode:
    name, now = arguments.candidate, datetime.now(UTC)

    def change(held: PoolStatus) -> Mapping[str, CandidateStatus]:
        if name not in held.pool.entries:
            raise CommandError(f"{name} is not in the pool; it has {', '.join(held.pool.entries)}", ExitCode.USAGE)
        return {name: held.status(name).moved(state, BY_HAND, arguments.reason or "Set by hand.", now)}

    async with poolstore.store_of(arguments) as store:
        await store.update(change)
        held = await store.read()
    sys.stdout.write(f"{name} is {state.value}\n")
    if not any(entry.state is State.ADMITTED for entry in held.pool.entries.values()):
        sys.stderr.write("the pool has no admitted candidate left\n")
    return ExitCode.OK
