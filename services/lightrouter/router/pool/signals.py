"""What one route shows of each candidate that took part in it: numbers only, no text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.settled import settled_answer
from lightrouter.router.candidates import BootResult
from lightrouter.router.ledger import SLOW, THE_REQUESTS_OWN
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CANCELLED, ERROR_REASON_OVERLOADED, ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Answer

_MOST_CHARACTERS = 400
# The request's own fault, the caller's leaving, or the load on one adapter.
_NOT_ITS_OWN = THE_REQUESTS_OWN | {ERROR_REASON_CANCELLED, ERROR_REASON_OVERLOADED}


@dataclass(frozen=True, slots=True)
class Signals:
    """What one route shows of one candidate.

    Attributes:
        failed: For each of its calls whether it failed; without those that say nothing of its health, and those that
            timed out.
        timed_out: For each of its calls that timed out, the stage, and the seconds that it was waited for. Whether that
            is a failure hangs on what it usually needs: the caller's deadline may have been short.
        boot_s: Seconds that its boot took; None where it failed.
        complete_s: Seconds that it took to finish its draft; None where it failed, or was not asked to.
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
    timed_out: tuple[tuple[Stage.ValueType, float], ...] = ()
    complete_s: float | None = None


def signals_of(
    entries: Iterable[LedgerEntry], booted: Sequence[BootResult], chosen: Iterable[str], agreements: Mapping[str, float]
) -> dict[str, Signals]:
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
    delivered = {each.candidate.name for each in booted}
    seconds = {name: _seconds(entry) for name, entry in boots.items() if name in delivered or _slow(entry)}
    most_delivered = 2 * len(delivered) >= len(boots)
    telling = {name: [each for each in calls if each.candidate == name and most_delivered] for name in boots}
    went_on = set(chosen)
    finished = {e.candidate: _seconds(e) for e in calls if e.stage == STAGE_COMPLETE and not e.HasField("failure")}
    return {
        name: Signals(
            failed=tuple(_failed(each) for each in telling[name] if _tells(each)),
            timed_out=tuple((each.stage, _seconds(each)) for each in telling[name] if _timed_out(each)),
            complete_s=finished.get(name),
            boot_s=seconds[name] if name in delivered else None,
            slowness=_slowness(name, seconds),
            selected=name in went_on if name in delivered and len(delivered) > 1 else None,
            agreement=agreements.get(name),
        )
        for name in boots
    }


def agreement_with(booted: BootResult, answer: Answer, policy: Policy) -> float | None:
    """Returns how far what a candidate wrote agrees with the answer, 0 to 1; None where its own draft is the answer."""
    partial = booted.partial.text
    if not partial or list(answer.candidates) == [booted.candidate.name]:
        return None
    whole = booted.partial.finish_reason == FINISH_REASON_STOP
    answer_whole = answer.finish_reason == FINISH_REASON_STOP
    if policy.HasField("answer_pattern"):
        own = settled_answer(partial, policy.answer_pattern, complete=whole)
        given = settled_answer(answer.text, policy.answer_pattern, complete=answer_whole)
        if own is not None and given is not None:
            return float(canonical(own) == canonical(given))
    # Reading is what this costs: only as much as tells, and of the answer only what the partial had room for.
    text = partial[:_MOST_CHARACTERS]
    comparable = answer.text[: 2 * len(text)]
    return similarity(
        text,
        comparable,
        left_complete=whole and text == partial,
        right_complete=answer_whole and comparable == answer.text,
    )


def _failed(entry: LedgerEntry) -> bool:
    # Who was cancelled because the others had answered has not failed; that it was slow is what its slowness says.
    return entry.HasField("failure") and entry.failure.reason != ERROR_REASON_STRAGGLER


def _timed_out(entry: LedgerEntry) -> bool:
    return _slow(entry) and entry.failure.reason != ERROR_REASON_STRAGGLER


def _tells(entry: LedgerEntry) -> bool:
    """Tells whether a call shows by itself whether the candidate is well."""
    return not (entry.HasField("failure") and (entry.failure.reason in _NOT_ITS_OWN or _timed_out(entry)))


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
