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
    """Returns the candidates to ask after all others failed, best first; none if none is left.

    The first time these are at most k, and later as many as were asked before. Some candidates probably cannot deliver:
    their call was refused or not waited for, their adapter does not serve, or their provider asked for a pause. At most
    k of them are asked on a whole route.

    Args:
        route: The route.
        reserve: Reserves the money for the call to a candidate; False if there is not enough.
        limit: Most candidates to return; None for the numbers above.
    """
    ledger, k = route.ledger, route.admission.policy.k
    limit = max(k, len(ledger.last_resorts)) if limit is None else limit
    picked: list[RouteCandidate] = []
    for candidate, doubtful in _remaining(route):
        if len(picked) == limit or (doubtful and ledger.doubtful_last_resorts >= k):
            break
        if reserve(candidate):
            _record(route, candidate, doubtful=doubtful)
            picked.append(candidate)
    return picked


def has_last_resort(route: RouteContext) -> bool:
    """Returns whether a candidate is left to ask as a last resort, whether or not the budget covers it."""
    k = route.admission.policy.k
    return any(not doubtful or route.ledger.doubtful_last_resorts < k for _, doubtful in _remaining(route))


def _remaining(route: RouteContext) -> list[tuple[RouteCandidate, bool]]:
    """Returns the candidates that were no last resort yet, best first, with whether each probably cannot deliver."""
    ledger, admission = route.ledger, route.admission
    failures = ledger.failures()
    not_asked = [candidate for candidate in admission.standby if candidate.name not in failures]
    not_tried = {name for name, failure in failures.items() if failure.reason in _NOT_TRIED}
    remaining = [(candidate, False) for candidate in not_asked if not ledger.is_unavailable(candidate.name)]
    remaining += [(candidate, True) for candidate in not_asked if ledger.is_unavailable(candidate.name)]
    remaining += sorted(
        ((candidate, True) for candidate in admission.candidates if candidate.name in not_tried),
        key=lambda pair: -pair[0].quality.prior,
    )
    return [pair for pair in remaining if pair[0].name not in ledger.last_resorts]


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
    _record(route, known[name], doubtful=True)
    await asyncio.sleep(waits[name])
    return [known[name]]


def _record(route: RouteContext, candidate: RouteCandidate, *, doubtful: bool) -> None:
    message = f"all others failed, so {candidate.name} is asked although it is left out otherwise"
    route.ledger.add_last_resort(candidate.name, doubtful=doubtful)
    route.ledger.degrade(DEGRADED_REASON_LAST_RESORT, message, candidate.name)
