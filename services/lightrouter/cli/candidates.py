"""The candidates of a pool as every command prints them, whether a router or the pool's home tells of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from lightrouter.cli.output import print_document, print_table
from lightrouter.cli.text import enum_word, one_line
from lightrouter.pool.status import DIVERSE, DRIFTED, CandidateStatus, PoolStatus
from lightrouter.v1 import router_pb2
from lightrouter.v1.candidate_pb2 import CandidateHealth, CandidateState
from lightrouter.v1.router_pb2 import ListCandidatesResponse

FORMS: Final = ("table", "wide", "json", "yaml", "name")
"""The forms of the output; the first one is the default."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One candidate.

    Attributes:
        seen: The candidate, with what a router sees of it.
        held: Its status in the pool's home; None if a router tells of it.
    """

    seen: router_pb2.CandidateStatus
    held: CandidateStatus | None = None

    def document(self) -> dict[str, Any]:
        """Returns the candidate as JSON: `CandidateStatus` of router.proto, and the conditions that the home has."""
        said = self.held.to_json().get("conditions", []) if self.held else []
        return MessageToDict(self.seen) | ({"conditions": said} if said else {})


def print_listed(listed: ListCandidatesResponse, form: str) -> None:
    """Prints what a router says of its pool."""
    drifts = [
        f"{status.candidate.name} is on probation in this router: {status.traffic.drift}."
        for status in listed.candidates
        if status.traffic.drift
    ]
    remarks = [*drifts, *(f"{condition.type}: {condition.message}" for condition in listed.conditions)]
    conditions = [MessageToDict(each) for each in listed.conditions]
    _print([Listed(status) for status in listed.candidates], conditions, remarks, form)


def print_held(held: PoolStatus, form: str) -> None:
    """Prints what the pool's home says of it."""
    candidates = []
    for name, entry in held.pool.entries.items():
        candidate = entry.to_proto(entry.address or "")
        status = held.status(name) if name in held.statuses else CandidateStatus()
        if found := status.evaluation:
            candidate.evaluation.CopyFrom(found)
        candidates.append(Listed(router_pb2.CandidateStatus(candidate=candidate), status))
    remarks = []
    for name, status in held.statuses.items():
        if (drifted := status.condition(DRIFTED)) and drifted.status == "True":
            remarks.append(f"{name} has drifted: {drifted.message}.")
        if diverse := status.condition(DIVERSE):
            remarks.append(diverse.message)
    why = held.pool.homogeneous
    _print(candidates, [{"type": "Homogeneous", "message": why}] if why else [], remarks, form)


def _print(
    candidates: Sequence[Listed], conditions: Sequence[dict[str, Any]], remarks: Sequence[str], form: str
) -> None:
    if form in {"json", "yaml"}:
        document = {"candidates": [each.document() for each in candidates]}
        print_document(document | ({"conditions": conditions} if conditions else {}), form)
        return
    if form == "name":
        sys.stdout.writelines(f"{one_line(each.seen.candidate.name)}\n" for each in candidates)
        return
    columns = [(heading, show) for heading, wide, show in _COLUMNS if form == "wide" or not wide]
    # A column that says nothing of this pool is left out.
    shown = [(heading, cells) for heading, show in columns if any(cells := [show(each) for each in candidates])]
    print_table([heading for heading, _ in shown], list(zip(*(cells for _, cells in shown), strict=True)))
    sys.stdout.writelines(f"{one_line(remark)}\n" for remark in remarks)


def _score(listed: Listed) -> str:
    found = listed.seen.candidate.evaluation
    return f"{found.score:.2f}" if found.prompts else f"{listed.seen.candidate.prior:.2f}?"


def _interval(listed: Listed) -> str:
    found = listed.seen.candidate.evaluation
    return f"{found.score_low:.2f} to {found.score_high:.2f}" if found.prompts else ""


def _evaluated(listed: Listed) -> str:
    found = listed.seen.candidate.evaluation
    return found.evaluated_at.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M") if found.prompts else "never"


def _why(listed: Listed) -> str:
    if listed.held is None:
        return ""
    admitted = listed.held.admitted
    return f"{admitted.reason}: {admitted.message}" if admitted.reason else "as its entry says"


def _health(listed: Listed) -> str:
    if listed.held is not None:
        return ""
    health = listed.seen.health
    return enum_word(CandidateHealth, health) if health else "not known yet"


def _window(listed: Listed) -> str:
    window = listed.seen.candidate.context_window
    return f"{window:,}" if window else "?"


def _price(kind: str) -> Callable[[Listed], str]:
    def price(listed: Listed) -> str:
        whole, fraction = divmod(getattr(listed.seen.candidate.prices, f"{kind}_nanousd_per_million"), 10**9)
        return f"{whole}.{f'{fraction:09}'.rstrip('0').ljust(2, '0')}"

    return price


def _traffic(show: Callable[[router_pb2.Traffic], str]) -> Callable[[Listed], str]:
    return lambda listed: show(listed.seen.traffic) if listed.seen.HasField("traffic") else ""


# Heading, whether only the wide table has it, and what it shows of a candidate.
_COLUMNS: Final[Sequence[tuple[str, bool, Callable[[Listed], str]]]] = (
    ("name", False, lambda listed: listed.seen.candidate.name),
    ("model", False, lambda listed: listed.seen.candidate.model),
    ("state", False, lambda listed: enum_word(CandidateState, listed.seen.candidate.state)),
    ("since", True, lambda listed: listed.held.admitted.last_transition_time if listed.held else ""),
    ("health", False, _health),
    ("score", False, _score),
    ("interval", True, _interval),
    ("prompts", False, lambda listed: str(listed.seen.candidate.evaluation.prompts)),
    ("failed", False, lambda listed: str(listed.seen.candidate.evaluation.failed)),
    ("evaluated", False, _evaluated),
    ("provider", True, lambda listed: listed.seen.candidate.provider),
    ("window", True, _window),
    ("input $/M", True, _price("input")),
    ("cached $/M", True, _price("cached_input")),
    ("output $/M", True, _price("output")),
    ("failing", False, _traffic(lambda seen: f"{seen.failure_rate:.1%}")),
    ("boot", False, _traffic(lambda seen: f"{seen.boot_latency.seconds + seen.boot_latency.nanos / 1e9:.2f} s")),
    ("chosen", False, _traffic(lambda seen: f"{seen.selected_share:.0%}")),
    ("agrees", False, _traffic(lambda seen: f"{seen.agreement:.2f}")),
    ("why", False, _why),
)
