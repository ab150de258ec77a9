"""Who is asked before a caller gets nothing: candidates that are left out otherwise, but never one that is evicted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lightrouter.router.runner import Runner
from lightrouter.router.state import Run
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_LAST_RESORT

# These say that a candidate was not waited for, not that it could not have delivered.
_NOT_TRIED: Final = frozenset({ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_STRAGGLER})
# What a circuit is waited for leaves as much time for the call itself.
_WAITING_SHARE: Final = 0.5


def last_resort(run: Run, afford: Callable[[Runner], bool], most: int | None = None) -> list[Runner]:
    """Returns whom to ask now that all others failed, best first; over the whole route at most k.

    Args:
        run: The route.
        afford: Keeps the money for the call to a candidate; False where there is not enough.
        most: How many at most; None for as many as there are.
    """
    failures = run.book.failures()
    admission = run.admission
    standing_by = [runner for runner in admission.standby if runner.name not in failures]
    missed = {name for name, failure in failures.items() if failure.reason in _NOT_TRIED}
    not_tried = [runner for runner in admission.runners if runner.name in missed]
    standing_by += sorted(not_tried, key=lambda runner: -runner.quality.prior)
    found: list[Runner] = []
    for runner in standing_by:
        if len(run.book.resorts) >= admission.policy.k or len(found) == most:
            break
        if runner.name not in run.book.resorts and afford(runner):
            _write_down(run, runner)
            found.append(runner)
    return found


async def after_circuit(run: Run, afford: Callable[[Runner], bool]) -> list[Runner]:
    """Returns the candidate whose circuit lets a call pass first, once it does; nobody where that is no use.

    Only where every candidate was refused by its circuit, and as much time is left after the wait as it takes.
    """
    failures = run.book.failures()
    if not failures or any(failure.reason != ERROR_REASON_CIRCUIT_OPEN for failure in failures.values()):
        return []
    known = {runner.name: runner for runner in (*run.admission.runners, *run.admission.standby)}
    waits = {name: seconds for name, seconds in run.book.waits.items() if name in known}
    if not waits:
        return []
    name = min(waits, key=lambda each: waits[each])
    if waits[name] > _WAITING_SHARE * run.deadline.remaining() or not afford(known[name]):
        return []
    _write_down(run, known[name])
    await asyncio.sleep(waits[name])
    return [known[name]]


def _write_down(run: Run, runner: Runner) -> None:
    message = f"all others failed, so {runner.name} is asked although it is left out otherwise"
    run.book.resort(runner.name)
    run.book.degrade(DEGRADED_REASON_LAST_RESORT, message, runner.name)
