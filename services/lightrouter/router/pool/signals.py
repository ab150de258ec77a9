"""What one route shows of each candidate that took part in it: numbers only, no text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.settled import settled_answer
from lightrouter.router.candidates import BootResult
from lightrouter.router.ledger import SLOW, THE_REQUESTS_OWN
from lightrouter.router.whole import is_broken
from lightrouter.v1.chat_pb2 import FINISH_REASON_CONTENT_FILTER, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_OVERLOADED,
    ERROR_REASON_STRAGGLER,
)
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_PRIOR, SELECTOR_STRATEGY_RANDOM, Policy
from lightrouter.v1.router_pb2 import Answer, Selection

_MOST_CHARACTERS = 400
# The request's own fault, the caller's leaving, the load on one adapter, or a call that its circuit did not let pass:
# the failures that opened it have counted, and it stays open a while after they have ended.
_NOT_ITS_OWN = THE_REQUESTS_OWN | {ERROR_REASON_CANCELLED, ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_OVERLOADED}
# These rank without reading what was written.
_BLIND = frozenset({SELECTOR_STRATEGY_PRIOR, SELECTOR_STRATEGY_RANDOM})


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
        inferiority: How far the others' median score lies above its own: 0.5 where both are the same, 1 where its own
            is lower by 0.5 or more; None where there is nothing to compare. Who is chosen among equals changes with who
            else takes part, and with the policy; their scores stay equal.
        agreement: How far its partial agreed with the answer, 0 to 1; None where the answer is its own, or where it did
            not boot.
        company: What it was compared in: the names of those that booted, its own included, who ranked, and the boot
            tokens. Under a caller's own policy candidates compare otherwise, and are none the worse for it.
    """

    failed: tuple[bool, ...] = ()
    boot_s: float | None = None
    slowness: float | None = None
    selected: bool | None = None
    agreement: float | None = None
    timed_out: tuple[tuple[Stage.ValueType, float], ...] = ()
    complete_s: float | None = None
    inferiority: float | None = None
    company: Hashable = None


def signals_of(
    entries: Iterable[LedgerEntry],
    booted: Sequence[BootResult],
    selection: Selection,
    agreements: Mapping[str, float],
    *,
    boot_tokens: int = 0,
    stops: bool = False,
) -> dict[str, Signals]:
    """Returns what a route that was answered shows, by candidate.

    Failures of a route on which most candidates failed say more of the network than of a candidate, and are left out.

    Args:
        entries: The route's ledger.
        booted: The candidates that booted.
        selection: The ranking, and who went on.
        agreements: How far partials agreed with the answer, where that is known.
        boot_tokens: How many tokens a candidate was to boot with.
        stops: Whether the request has texts that end the output, and may leave nothing of it.
    """
    calls = [each for each in entries if each.stage in {STAGE_BOOT, STAGE_COMPLETE}]
    boots = {each.candidate: each for each in calls if each.stage == STAGE_BOOT}
    delivered = frozenset(each.candidate.name for each in booted)
    seconds = {name: _seconds(entry) for name, entry in boots.items() if name in delivered or _slow(entry)}
    most_delivered = 2 * len(delivered) >= len(boots)
    telling: dict[str, list[LedgerEntry]] = {name: [] for name in boots}
    for each in calls if most_delivered else ():
        if each.candidate in telling:
            telling[each.candidate].append(each)
    went_on = set(selection.chosen)
    slowness = _slowness(seconds)
    inferiority = _inferiority(_scores(booted, selection))
    finished = {e.candidate: _seconds(e) for e in calls if e.stage == STAGE_COMPLETE and not e.HasField("failure")}
    return {
        name: Signals(
            failed=tuple(_failed(each) for each in telling[name] if _tells(each, stops)),
            timed_out=tuple((each.stage, _seconds(each)) for each in telling[name] if _timed_out(each)),
            complete_s=finished.get(name),
            boot_s=seconds[name] if name in delivered else None,
            slowness=slowness.get(name),
            selected=name in went_on if name in delivered and len(delivered) > 1 else None,
            agreement=agreements.get(name),
            inferiority=inferiority.get(name),
            company=(delivered if name in delivered else delivered | {name}, selection.strategy, boot_tokens),
        )
        for name in boots
    }


def agreement_with(booted: BootResult, answer: Answer, policy: Policy) -> float | None:
    """Returns how far what a candidate wrote agrees with the answer, 0 to 1.

    None where its own draft is the answer, or where its provider withheld the rest of what it wrote.
    """
    partial = booted.partial.text
    if not partial or is_broken(booted.partial.finish_reason) or list(answer.candidates) == [booted.candidate.name]:
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


def _tells(entry: LedgerEntry, stops: bool) -> bool:
    """Tells whether a call shows by itself whether the candidate is well."""
    if not entry.HasField("failure"):
        return True
    reason = entry.failure.reason
    if reason == ERROR_REASON_EMPTY_OUTPUT and (stops or entry.finish_reason == FINISH_REASON_CONTENT_FILTER):
        return False
    return reason not in _NOT_ITS_OWN and not _timed_out(entry)


def _slow(entry: LedgerEntry) -> bool:
    return entry.HasField("failure") and entry.failure.reason in SLOW


def _seconds(entry: LedgerEntry) -> float:
    return entry.elapsed.seconds + entry.elapsed.nanos / 1e9


def _scores(booted: Sequence[BootResult], selection: Selection) -> dict[str, float]:
    """Returns the scores of those whose text was judged."""
    if selection.strategy in _BLIND:
        return {}
    judged = {each.candidate.name for each in booted if each.partial.text and not is_broken(each.partial.finish_reason)}
    return {each.candidate: each.score for each in selection.ranking.candidates if each.candidate in judged}


def _inferiority(scores: Mapping[str, float]) -> dict[str, float]:
    others = _medians_of_others(scores)
    return {name: min(1.0, max(0.0, 0.5 + other - scores[name])) for name, other in others.items()}


def _slowness(seconds: Mapping[str, float]) -> dict[str, float]:
    others = _medians_of_others(seconds)
    return {name: seconds[name] / both for name, other in others.items() if (both := seconds[name] + other)}


def _medians_of_others(values: Mapping[str, float]) -> dict[str, float]:
    """Returns for each name the median of all other values; nothing where there is no other."""
    ordered = sorted(values.values())
    others = len(ordered) - 1
    if others < 1:
        return {}
    found = {}
    for name, value in values.items():
        own = bisect_left(ordered, value)
        low, high = (each + (each >= own) for each in ((others - 1) // 2, others // 2))
        found[name] = (ordered[low] + ordered[high]) / 2
    return found
