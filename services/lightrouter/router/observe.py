"""What one route shows of each candidate that took part in it: numbers only, no text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from lightrouter.answers.agreement import similarity
from lightrouter.answers.extract import canonical, extract
from lightrouter.router.book import SLOW
from lightrouter.router.runner import Booted
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, LedgerEntry
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Answer

_MOST_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Observation:
    """What one route shows of one candidate.

    Attributes:
        failed: For each of its calls whether it failed.
        boot_s: Seconds that its boot took; None where it failed.
        slowness: What its boot took against the other candidates' median: 0 next to nothing, 0.5 the same, near 1 many
            times as long; None where there is nothing to compare.
        selected: Whether it was chosen to go on; None where it did not boot, or nobody else did.
        agreement: How far its partial agreed with the answer, 0 to 1; None where the answer is its own, or where it did
            not boot.
    """

    failed: tuple[bool, ...] = ()
    boot_s: float | None = None
    slowness: float | None = None
    selected: bool | None = None
    agreement: float | None = None


def observe(
    entries: Iterable[LedgerEntry], booted: Sequence[Booted], chosen: Iterable[str], agreements: Mapping[str, float]
) -> dict[str, Observation]:
    """Returns what a route that was answered shows, by candidate.

    Failures of a route on which most candidates failed say more of the network than of a candidate, and are left out.

    Args:
        entries: The route's ledger.
        booted: The candidates that booted.
        chosen: Names of those that went on.
        agreements: How far partials agreed with the answer, where that is known.
    """
    calls = [each for each in entries if each.stage in {STAGE_BOOT, STAGE_COMPLETE}]
    boots = {each.candidate: each for each in calls if each.stage == STAGE_BOOT}
    delivered = {each.runner.name for each in booted}
    seconds = {name: _seconds(entry) for name, entry in boots.items() if name in delivered or _slow(entry)}
    telling = 2 * len(delivered) >= len(boots)
    went_on = set(chosen)
    return {
        name: Observation(
            failed=tuple(_failed(each) for each in calls if each.candidate == name) if telling else (),
            boot_s=seconds[name] if name in delivered else None,
            slowness=_slowness(name, seconds),
            selected=name in went_on if name in delivered and len(delivered) > 1 else None,
            agreement=agreements.get(name),
        )
        for name in boots
    }


def agreement_with(booted: Booted, answer: Answer, policy: Policy) -> float | None:
    """Returns how far what a candidate wrote agrees with the answer, 0 to 1; None where its own draft is the answer."""
    partial = booted.partial.text
    if not partial or list(answer.candidates) == [booted.runner.name]:
        return None
    if booted.ended and policy.HasField("answer_pattern"):
        own, given = (extract(text, policy.answer_pattern) for text in (partial, answer.text))
        if own is not None and given is not None:
            return float(canonical(own) == canonical(given))
    # Reading is what this costs: only as much as tells, and of the answer only what the partial had room for.
    text = partial[:_MOST_CHARACTERS]
    comparable = answer.text[: 2 * len(text)]
    return similarity(
        text,
        comparable,
        left_complete=booted.ended and text == partial,
        right_complete=answer.finish_reason == FINISH_REASON_STOP and comparable == answer.text,
    )


def _failed(entry: LedgerEntry) -> bool:
    # Who was cancelled because the others had answered has not failed; that it was slow is what its slowness says.
    return entry.HasField("failure") and entry.failure.reason != ERROR_REASON_STRAGGLER


def _slow(entry: LedgerEntry) -> bool:
    return entry.HasField("failure") and entry.failure.reason in SLOW


def _seconds(entry: LedgerEntry) -> float:
    return entry.elapsed.seconds + entry.elapsed.nanos / 1e9


def _slowness(name: str, seconds: Mapping[str, float]) -> float | None:
    if name not in seconds:
        return None
    others = [each for other, each in seconds.items() if other != name]
    if not others:
        return None
    both = seconds[name] + median(others)
    return seconds[name] / both if both else None
