"""Who is asked before a caller gets nothing: candidates that are left out otherwise, but never one that is evicted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_LAST_RESORT

# These say that a candidate was not waited for, not that it could not have delivered.
_NOT_TRIED: Final = frozenset({ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_STRAGGLER})
# What a circuit is waited for leaves as much time for the call itself.
_WAITING_SHARE: Final = 0.5


def last_resort(
    route: RouteContext, afford: Callable[[RouteCandidate], bool], most: int | None = None
) -> list[RouteCandidate]:
    """Returns whom to ask now that all others failed, best first; nobody where none is left.

    The first time these are k at most, and then as many as were asked before. Of those that probably cannot deliver,
    which are the ones that were refused, do not serve or rest, no more than k are asked over the whole route.

    Args:
        route: The route.
        afford: Keeps the money for the call to a candidate; False where there is not enough.
        most: How many at most, where that is less.
    """
    ledger, k = route.ledger, route.admission.policy.k
    most = max(k, len(ledger.resorts)) if most is None else most
    found: list[RouteCandidate] = []
    for candidate, doubtful in _standing_by(route):
        if len(found) == most or (doubtful and ledger.doubtful_resorts >= k):
            break
        if afford(candidate):
            _write_down(route, candidate, doubtful=doubtful)
            found.append(candidate)
    return found


def is_left(route: RouteContext) -> bool:
    """Tells whether there is somebody to ask as a last resort, were there the money."""
    return any(
        not doubtful or route.ledger.doubtful_resorts < route.admission.policy.k for _, doubtful in _standing_by(route)
    )


def _standing_by(route: RouteContext) -> list[tuple[RouteCandidate, bool]]:
    """Returns who was not asked as a last resort so far, best first, and whether each probably cannot deliver."""
    ledger, admission = route.ledger, route.admission
    failures = ledger.failures()
    unasked = [candidate for candidate in admission.standby if candidate.name not in failures]
    missed = {name for name, failure in failures.items() if failure.reason in _NOT_TRIED}
    not_tried = [candidate for candidate in admission.candidates if candidate.name in missed]
    hopeful = [(candidate, False) for candidate in unasked if not ledger.is_unavailable(candidate.name)]
    doubtful = [(candidate, True) for candidate in unasked if ledger.is_unavailable(candidate.name)]
    doubtful += [(candidate, True) for candidate in sorted(not_tried, key=lambda candidate: -candidate.quality.prior)]
    return [each for each in (*hopeful, *doubtful) if each[0].name not in ledger.resorts]


async def after_circuit(route: RouteContext, afford: Callable[[RouteCandidate], bool]) -> list[RouteCandidate]:
    """Returns the candidate whose circuit lets a call pass first, once it does; nobody where that is no use.

    Only where every candidate was refused by its circuit, and as much time is left after the wait as it takes.
    """
    failures = route.ledger.failures()
    if not failures or any(failure.reason != ERROR_REASON_CIRCUIT_OPEN for failure in failures.values()):
        return []
    known = {candidate.name: candidate for candidate in (*route.admission.candidates, *route.admission.standby)}
    waits = {name: seconds for name, seconds in route.ledger.waits.items() if name in known}
    if not waits:
        return []
    name = min(waits, key=lambda each: waits[each])
    if waits[name] > _WAITING_SHARE * route.deadline.remaining() or not afford(known[name]):
        return []
    _write_down(route, known[name], doubtful=True)
    await asyncio.sleep(waits[name])
    return [known[name]]


def _write_down(route: RouteContext, candidate: RouteCandidate, *, doubtful: bool) -> None:
    message = f"all others failed, so {candidate.name} is asked although it is left out otherwise"
    route.ledger.resort(candidate.name, doubtful=doubtful)
    route.ledger.degrade(DEGRADED_REASON_LAST_RESORT, message, candidate.name)
