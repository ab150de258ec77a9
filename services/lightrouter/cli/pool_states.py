"""`lightrouter pool list|status|evict|readmit`: shows the candidates, and overrides their states."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lightrouter.cli import candidates
from lightrouter.cli.access import Access, access_options
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import argument, command, option, output
from lightrouter.cli.poolstore import Home, home_options, store_of
from lightrouter.pool.choices import State
from lightrouter.pool.status import BY_HAND, CandidateStatus, PoolStatus

if TYPE_CHECKING:
    from lightrouter.cli.grammar import Decorator

_CANDIDATE: Final[Decorator] = argument("candidate", "the candidate's name")
_REASON: Final[Decorator] = option("--reason", default="", metavar="TEXT", help="why, in one sentence")

_LIST_EXAMPLES: Final = """\
  lightrouter pool list
  lightrouter pool list -o wide
  lightrouter pool list -o name
"""
_STATUS_EXAMPLES: Final = """\
  lightrouter pool status --pool pool.yaml
  lightrouter pool status --namespace models -o json | jq -r '.candidates[].candidate.state'
"""
_EVICT_EXAMPLES: Final = """\
  lightrouter pool evict fast --reason "answers in the wrong language"
  lightrouter pool evict fast --context production --namespace models
"""
_READMIT_EXAMPLES: Final = """\
  lightrouter pool readmit fast
  lightrouter pool readmit fast --probation
"""


@command("list", _LIST_EXAMPLES)
@access_options
@output(*candidates.FORMS)
def list_(reached: Access, output: str) -> None:
    """Lists the candidates of a running router with state, health, score and traffic; -o wide adds prices."""
    from lightrouter.cli import client

    candidates.print_listed(asyncio.run(client.listed(reached)), output)


@command("status", _STATUS_EXAMPLES)
@home_options
@output(*candidates.FORMS)
def status(home: Home, output: str) -> None:
    """Shows the state and score of each candidate of a pool file or a namespace, and the reason of its state."""
    candidates.print_held(asyncio.run(_read(home)), output)


@command("evict", _EVICT_EXAMPLES)
@_CANDIDATE
@home_options
@_REASON
def evict(candidate: str, home: Home, reason: str) -> None:
    """Evicts a candidate. The evaluator ignores it until `lightrouter pool readmit`."""
    asyncio.run(_move(home, candidate, State.EVICTED, reason))


@command("readmit", _READMIT_EXAMPLES)
@_CANDIDATE
@home_options
@_REASON
@option("--probation", is_flag=True, help="with little traffic until it is evaluated")
def readmit(candidate: str, home: Home, reason: str, probation: bool) -> None:
    """Lets a candidate answer again. From now on the evaluator decides on it."""
    asyncio.run(_move(home, candidate, State.PROBATION if probation else State.ADMITTED, reason))


async def _read(home: Home) -> PoolStatus:
    async with store_of(home) as store:
        return await store.read()


async def _move(home: Home, name: str, state: State, reason: str) -> None:
    now = datetime.now(UTC)

    def change(held: PoolStatus) -> Mapping[str, CandidateStatus]:
        if name not in held.pool.entries:
            raise CommandError(f"{name} is not in the pool; it has {', '.join(held.pool.entries)}", ExitCode.USAGE)
        return {name: held.status(name).moved(state, BY_HAND, reason or "Set by hand.", now)}

    async with store_of(home) as store:
        await store.update(change)
        held = await store.read()
    sys.stdout.write(f"{name} is {'on ' if state is State.PROBATION else ''}{state.value}\n")
    if not any(entry.state is State.ADMITTED for entry in held.pool.entries.values()):
        sys.stderr.write("the pool has no admitted candidate left\n")
