"""Last resorts: candidates that a route leaves out, and asks before its caller gets nothing; never an evicted one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_LAST_RESORT

# These failures say that the router did not wait for a candidate, not that it could not have delivered.
_NOT_TRIED: Final = frozenset({ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_STRAGGLER})
# A choice: after the wait for a circuit at least as much time is left for the call.
_WAIT_SHARE: Final = 0.5


def pick_last_resorts(
    route: RouteContext, reserve: Callable[[RouteCandidate], bool], limit: int | None = None
) -> list[RouteCandidate]:
    """Returns the candidates to ask after all others failed, best first; at most k on a whole route.

    Args:
        route: The route.
        reserve: Reserves the money for the call to a candidate; False if there is not enough.
        limit: Most candidates to return; None for no limit.
    """
    failures = route.ledger.failures()
    admission = route.admission
    able = [candidate for candidate in admission.standby if candidate.name not in failures]
    not_tried = {name for name, failure in failures.items() if failure.reason in _NOT_TRIED}
    able += sorted(
        (candidate for candidate in admission.candidates if candidate.name in not_tried),
        key=lambda candidate: -candidate.quality.prior,
    )
    picked: list[RouteCandidate] = []
    for candidate in able:
        if len(route.ledger.last_resorts) >= admission.policy.k or len(picked) == limit:
            break
        if candidate.name not in route.ledger.last_resorts and reserve(candidate):
            _record(route, candidate)
            picked.append(candidate)
    return picked


async def wait_for_circuit(route: RouteContext, reserve: Callable[[RouteCandidate], bool]) -> list[RouteCandidate]:
    """Waits until the first circuit lets a call pass, and returns its candidate; nobody if the wait is of no use.

    It waits only if every candidate's circuit was open and at most half of the time that is left goes into the wait.
    """
    failures = route.ledger.failures()
    if not failures or any(failure.reason != ERROR_REASON_CIRCUIT_OPEN for failure in failures.values()):
        return []
    known = {candidate.name: candidate for candidate in (*route.admission.candidates, *route.admission.standby)}
    waits = {name: seconds for name, seconds in route.ledger.waits.items() if name in known}
    if not waits:
        return []
    name = min(waits, key=lambda candidate: waits[candidate])
    if waits[name] > _WAIT_SHARE * route.deadline.remaining() or not reserve(known[name]):
        return []
    _record(route, known[name])
    await asyncio.sleep(waits[name])
    return [known[name]]


def _record(route: RouteContext, candidate: RouteCandidate) -> None:
    message = f"all others failed, so {candidate.name} is asked although it is left out otherwise"
    route.ledger.add_last_resort(candidate.name)
    route.ledger.degrade(DEGRADED_REASON_LAST_RESORT, message, candidate.name)
