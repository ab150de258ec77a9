"""Measurements of one route per candidate, for drift detection: numbers only, no text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightrouter.answers.agreement import similarity
from lightrouter.answers.equality import canonical
from lightrouter.answers.settled import settled_answer
from lightrouter.router.candidates import BootResult
from lightrouter.router.finish import is_interrupted
from lightrouter.router.ledger import REQUEST_FAULTS
from lightrouter.runtime.ledger import SLOW
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

# A choice: the comparison takes time, and this much text suffices for it.
_MAX_CHARACTERS = 400
# Failures by the request, by a caller that left, by the load on one adapter, or by an open circuit: the failures that
# opened it have counted, and it stays open for a while after the candidate works again.
_NOT_BY_CANDIDATE = REQUEST_FAULTS | {ERROR_REASON_CANCELLED, ERROR_REASON_CIRCUIT_OPEN, ERROR_REASON_OVERLOADED}
# These strategies rank without reading the partials.
_BLIND = frozenset({SELECTOR_STRATEGY_PRIOR, SELECTOR_STRATEGY_RANDOM})


@dataclass(frozen=True, slots=True)
class Signals:
    """Measurements of one candidate on one route.

    Attributes:
        failed: For each call whether it failed, without timeouts and without failures that have another cause than the
            candidate.
        timed_out: For each call that timed out, its stage and the seconds until then. It counts as a failure only if
            the candidate usually needs much less: the caller's deadline may have been short.
        boot_s: Duration of the boot in seconds; None if it failed.
        complete_s: Duration of the completion in seconds; None if it failed or there was none.
        slowness: Duration of the boot, t, against the median m of the others' boots, as t / (t + m): 0.5 is equally
            long, near 1 is many times as long; None if there is nothing to compare.
        selected: Whether the candidate was chosen to go on; None if it did not boot or no other candidate did.
        inferiority: The others' median score minus its own, plus 0.5, clipped to 0 to 1; None if there is nothing to
            compare. Unlike `selected`, it does not depend on the policy, nor on the choice among equal candidates.
        agreement: Agreement of its partial with the answer, 0 to 1; None if the answer is its own or it did not boot.
        cohort: The conditions of the comparison: the names of the booted candidates with its own, the strategy that
            ranked, and the boot tokens. Figures of different cohorts cannot be compared.
    """

    failed: tuple[bool, ...] = ()
    boot_s: float | None = None
    slowness: float | None = None
    selected: bool | None = None
    agreement: float | None = None
    timed_out: tuple[tuple[Stage.ValueType, float], ...] = ()
    complete_s: float | None = None
    inferiority: float | None = None
    cohort: Hashable = None


def signals_of(
    entries: Iterable[LedgerEntry],
    boots: Sequence[BootResult],
    selection: Selection,
    agreements: Mapping[str, float],
    *,
    boot_tokens: int = 0,
    stops: bool = False,
) -> dict[str, Signals]:
    """Returns the measurements of a route that has an answer, by candidate.

    If most candidates failed, the failures are left out: the network is the likelier cause.

    Args:
        entries: The entries of the route's ledger.
        boots: What the candidates wrote that booted; empty if candidates were asked outright.
        selection: The ranking, and the candidates that went on.
        agreements: Agreement of partials with the answer, by candidate, for those that are known.
        boot_tokens: The policy's boot tokens.
        stops: Whether the request has stop texts, so that an empty output may be right.
    """
    calls = [entry for entry in entries if entry.stage in {STAGE_BOOT, STAGE_COMPLETE}]
    boot_calls = {call.candidate: call for call in calls if call.stage == STAGE_BOOT}
    delivered = frozenset(boot.candidate.name for boot in boots)
    held_s = {boot.candidate.name: boot.seconds for boot in boots if boot.held}
    # The entry of a call that was held has the time of the whole call.
    seconds = {
        name: held_s.get(name, _seconds(call))
        for name, call in boot_calls.items()
        if name in delivered or _is_slow(call)
    }
    asked = boot_calls or {call.candidate: call for call in calls}
    answered = delivered or {call.candidate for call in calls if not call.HasField("failure")}
    most_delivered = 2 * len(answered) >= len(asked)
    telling: dict[str, list[LedgerEntry]] = {name: [] for name in asked}
    for call in calls if most_delivered else ():
        if call.candidate in telling:
            telling[call.candidate].append(call)
    chosen = set(selection.chosen)
    slowness = _slowness(seconds)
    inferiority = _inferiority(_scores(boots, selection))
    completions = [call for call in calls if _is_completion(call) and not call.HasField("failure")]
    complete_s = {call.candidate: _seconds(call) - held_s.get(call.candidate, 0.0) for call in completions}
    return {
        name: Signals(
            failed=tuple(_is_failure(call) for call in telling[name] if _is_telling(call, stops=stops)),
            timed_out=tuple((call.stage, _seconds(call)) for call in telling[name] if _is_timeout(call)),
            complete_s=complete_s.get(name),
            boot_s=seconds[name] if name in delivered else None,
            slowness=slowness.get(name),
            selected=name in chosen if name in delivered and len(delivered) > 1 else None,
            agreement=agreements.get(name),
            inferiority=inferiority.get(name),
            cohort=(delivered | {name}, selection.strategy, boot_tokens),
        )
        for name in asked
    }


def agreement_with(boot: BootResult, answer: Answer, policy: Policy) -> float | None:
    """Returns the agreement of a partial with the answer, 0 to 1.

    Returns None if the candidate's own draft is the answer, or if its provider interrupted the partial.
    """
    partial = boot.partial.text
    if not partial or is_interrupted(boot.partial.finish_reason) or list(answer.candidates) == [boot.candidate.name]:
        return None
    whole = boot.partial.finish_reason == FINISH_REASON_STOP
    answer_whole = answer.finish_reason == FINISH_REASON_STOP
    if policy.HasField("answer_pattern"):
        own = settled_answer(partial, policy.answer_pattern, complete=whole)
        given = settled_answer(answer.text, policy.answer_pattern, complete=answer_whole)
        if own is not None and given is not None:
            return float(canonical(own) == canonical(given))
    # The time of a comparison grows with the texts. The answer is cut to what such a partial could have covered.
    text = partial[:_MAX_CHARACTERS]
    comparable = answer.text[: 2 * len(text)]
    return similarity(
        text,
        comparable,
        left_complete=whole and text == partial,
        right_complete=answer_whole and comparable == answer.text,
    )


def _is_failure(entry: LedgerEntry) -> bool:
    # A straggler was cancelled because the others had answered. `slowness` shows that, so it is no failure as well.
    return entry.HasField("failure") and entry.failure.reason != ERROR_REASON_STRAGGLER


def _is_timeout(entry: LedgerEntry) -> bool:
    return _is_slow(entry) and entry.failure.reason != ERROR_REASON_STRAGGLER


def _is_telling(entry: LedgerEntry, *, stops: bool) -> bool:
    """Returns whether a call shows by itself whether the candidate works."""
    if not entry.HasField("failure"):
        return True
    reason = entry.failure.reason
    if reason == ERROR_REASON_EMPTY_OUTPUT and (stops or entry.finish_reason == FINISH_REASON_CONTENT_FILTER):
        return False
    return reason not in _NOT_BY_CANDIDATE and not _is_timeout(entry)


def _is_completion(entry: LedgerEntry) -> bool:
    return entry.stage == STAGE_COMPLETE or entry.went_on


def _is_slow(entry: LedgerEntry) -> bool:
    return entry.HasField("failure") and entry.failure.reason in SLOW


def _seconds(entry: LedgerEntry) -> float:
    return entry.elapsed.seconds + entry.elapsed.nanos / 1e9


def _scores(boots: Sequence[BootResult], selection: Selection) -> dict[str, float]:
    """Returns the scores of the candidates whose text was judged."""
    if selection.strategy in _BLIND:
        return {}
    judged = {
        boot.candidate.name for boot in boots if boot.partial.text and not is_interrupted(boot.partial.finish_reason)
    }
    ranked = selection.ranking.candidates
    return {candidate.candidate: candidate.score for candidate in ranked if candidate.candidate in judged}


def _inferiority(scores: Mapping[str, float]) -> dict[str, float]:
    medians = _medians_of_others(scores)
    return {name: min(1.0, max(0.0, 0.5 + median - scores[name])) for name, median in medians.items()}


def _slowness(seconds: Mapping[str, float]) -> dict[str, float]:
    medians = _medians_of_others(seconds)
    return {name: seconds[name] / total for name, median in medians.items() if (total := seconds[name] + median)}


def _medians_of_others(values: Mapping[str, float]) -> dict[str, float]:
    """Returns for each name the median of all other values; empty if there are no others."""
    ordered = sorted(values.values())
    others = len(ordered) - 1
    if others < 1:
        return {}
    medians = {}
    for name, value in values.items():
        own = bisect_left(ordered, value)
        low, high = (index + (index >= own) for index in ((others - 1) // 2, others // 2))
        medians[name] = (ordered[low] + ordered[high]) / 2
    return medians
