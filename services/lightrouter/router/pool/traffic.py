"""The figures of each candidate in the router's own traffic, and the candidates that have drifted."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping

from lightrouter.router.pool.drift import Change, Comparison, Figure, Mean
from lightrouter.router.pool.signals import Signals, agreement_with, signals_of
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.pool.transitions import Cause, StateTransitions
from lightrouter.router.rules import DriftRules
from lightrouter.router.telemetry.observers import RouteRecord
from lightrouter.runtime import ledger
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_ADMITTED,
    CANDIDATE_STATE_PROBATION,
    Candidate,
    CandidateState,
)
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, Stage
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import PoolCondition, Traffic

Listener = Callable[[str, str], None]
"""Takes the name of a candidate that is held on probation from now on, and a sentence why; '' if it is released."""

# A choice: the window of the figures that callers see.
_RECENT_REQUESTS = 200
# A choice: a timeout counts as a failure from this many times the candidate's usual latency.
_TELLING_FACTOR = 3.0


class TrafficMonitor:
    """Observes all routes and keeps the figures of each candidate; holds candidates that drift on probation.

    A held candidate is released when its figures are back to their history or it is evaluated anew. The pool always
    keeps the rules' minimum of admitted candidates: if more drift at the same time, the cause lies elsewhere.
    """

    def __init__(self, rules: DriftRules, transitions: StateTransitions | None = None) -> None:
        """Starts with an empty pool; announces changes of candidates' states with `transitions`."""
        self._rules = rules
        self._transitions = transitions or StateTransitions()
        self._figures: dict[str, _CandidateFigures] = {}
        self._pool = PoolSnapshot.from_candidates(())
        self._snapshot = self._pool
        self._listener: Listener = _ignore
        self._turn = 0

    def snapshot(self) -> PoolSnapshot:
        """Returns the pool as the router uses it, with the held candidates on probation."""
        return self._snapshot

    def listen(self, listener: Listener) -> None:
        """Calls `listener` for each candidate that is held or released."""
        self._listener = listener

    def follow(self, pool: PoolSnapshot) -> None:
        """Follows a change of the pool. Figures that are stale for their candidate start anew."""
        before, self._pool = self._pool, pool
        old, self._figures = self._figures, {}
        for name, candidate in pool.candidates.items():
            figures = old.get(name)
            if figures is None or figures.is_stale_for(candidate):
                self._figures[name] = _CandidateFigures(candidate, self._rules)
            else:
                self._figures[name] = figures
                figures.candidate = candidate
            known = before.candidates.get(name)
            if known and _state(known) != _state(candidate):
                why = candidate.evaluation.explanation or "the pool says so"
                self._transitions.announce(name, _state(known), _state(candidate), Cause.POOL, why)
            if figures and figures.held and figures is not self._figures[name]:
                self._release(self._figures[name], Cause.EVALUATED, "it was evaluated anew, or is another model now")
        for name, figures in old.items():
            if figures.held and name not in self._figures:
                # A later candidate of this name is another one.
                self._listener(name, "")
        self._settle()

    def started(self) -> None:
        """See `observers.Observer`."""

    def ended(self, record: RouteRecord) -> None:
        """Takes the signals of a route that has an answer. See `observers.Observer`."""
        if record.answer is None or record.selection is None:
            return
        policy, agreements = record.policy or Policy(), {}
        if record.boots:
            # One partial per route, each in its turn: comparing all would take as much CPU time as the rest of it.
            self._turn += 1
            compared = record.boots[self._turn % len(record.boots)]
            agreement = agreement_with(compared, record.answer, policy)
            agreements = {} if agreement is None else {compared.candidate.name: agreement}
        self.note(
            signals_of(
                record.ledger.entries,
                record.boots,
                record.selection,
                agreements,
                boot_tokens=policy.boot_tokens,
                stops=record.stops,
            )
        )

    def note(self, signals: Mapping[str, Signals]) -> None:
        """Takes the signals of one route, by candidate."""
        changed = False
        for name, of_candidate in signals.items():
            figures = self._figures.get(name)
            if figures is not None and figures.note(of_candidate):
                changed = True
        if changed:
            self._settle()

    def of(self, name: str) -> Traffic | None:
        """Returns the figures of a candidate; None if it has taken part in no request."""
        figures = self._figures.get(name)
        return figures.to_proto() if figures and figures.requests.weight else None

    def conditions(self) -> list[PoolCondition]:
        """Returns the conditions of the pool as a whole."""
        message = (
            f"{{}} has drifted and stays admitted, for the pool would be left with fewer than {self._rules.minimum} "
            "candidates: {}. Add candidates, or evaluate those that are out"
        )
        found = [PoolCondition(type="Homogeneous", message=self._pool.homogeneous)] if self._pool.homogeneous else []
        return found + [
            PoolCondition(type="MinimumReached", message=message.format(name, figures.drift))
            for name, figures in self._figures.items()
            if figures.drift and not figures.held and _state(figures.candidate) == CANDIDATE_STATE_ADMITTED
        ]

    def _settle(self) -> None:
        """Holds the candidates that drifted first, as far as the minimum allows, and releases the others."""
        pool = self._figures.values()
        admitted = [figures for figures in pool if _state(figures.candidate) == CANDIDATE_STATE_ADMITTED]
        drifted = sorted((figures for figures in admitted if figures.drift), key=lambda figures: figures.drifted_at)
        to_hold = drifted[: max(0, len(admitted) - self._rules.minimum)]
        for figures in pool:
            was_held, figures.held = figures.held, figures in to_hold
            if was_held and not figures.held:
                if figures.drift:
                    self._release(figures, Cause.MINIMUM, "the pool would have too few candidates without it")
                else:
                    self._release(figures, Cause.RETURNED, "its figures are back to their history")
            elif figures.held and not was_held:
                name, drift = figures.candidate.name, figures.drift
                self._transitions.announce(
                    name, CANDIDATE_STATE_ADMITTED, CANDIDATE_STATE_PROBATION, Cause.DRIFTED, drift
                )
                self._listener(name, drift)
        self._snapshot = self._pool.on_probation(figures.candidate.name for figures in to_hold)
        peers = frozenset(_peer(figures.candidate) for figures in admitted if not figures.held)
        for figures in pool:
            figures.set_peers(peers)

    def _release(self, figures: _CandidateFigures, cause: Cause, why: str) -> None:
        name, state = figures.candidate.name, _state(figures.candidate)
        if state == CANDIDATE_STATE_ADMITTED:
            self._transitions.announce(name, CANDIDATE_STATE_PROBATION, state, cause, why)
        self._listener(name, "")


class _CandidateFigures:
    """The figures of one candidate.

    Attributes:
        candidate: Its entry in the pool.
        requests: The requests that it took part in; only the weight matters.
        held: Whether this router holds it on probation.
        drift: Sentences about the figures that have left their history; empty if none has.
        drifted_at: When the first of them left it, on the monotonic clock.
    """

    def __init__(self, candidate: Candidate, rules: DriftRules) -> None:
        self.candidate = candidate
        self.requests = Mean(_RECENT_REQUESTS)
        self.held = False
        self.drift = ""
        self.drifted_at = 0.0
        self._rules = rules
        self._boot_s = Mean(_RECENT_REQUESTS)
        self._complete_s = Mean(_RECENT_REQUESTS)
        self._selected = Mean(_RECENT_REQUESTS)
        self._peers: frozenset[_Peer] | None = None
        self._sentences: dict[str, str] = {}
        self._failure = self._figure()
        self._begin_comparisons()

    def is_stale_for(self, candidate: Candidate) -> bool:
        """Returns whether `candidate` is another model, or drifted and was evaluated since."""
        known = self.candidate
        if (known.provider, known.model, known.address) != (candidate.provider, candidate.model, candidate.address):
            return True
        return bool(self.drift) and known.evaluation.evaluated_at != candidate.evaluation.evaluated_at

    def set_peers(self, peers: frozenset[_Peer]) -> None:
        """Sets the candidates that it is compared with; if they change, figures that compare start anew."""
        if self._peers not in {None, peers} and not self.drift:
            self._begin_comparisons()
        self._peers = peers

    def note(self, signals: Signals) -> bool:
        """Takes the signals of a route; returns whether `drift` has changed."""
        self.requests.add(1.0)
        if signals.boot_s is not None:
            self._boot_s.add(signals.boot_s)
        if signals.complete_s is not None:
            self._complete_s.add(signals.complete_s)
        timeouts = [True for timeout in signals.timed_out if self._is_telling(*timeout)]
        for failed in (*signals.failed, *timeouts):
            self._note("failure", self._failure.observe(float(failed)), self._failure)
        self._compare("slowness", self._slowness, signals.cohort, signals.slowness)
        if signals.selected is not None:
            self._selected.add(signals.selected)
        self._compare("score", self._inferiority, signals.cohort, signals.inferiority)
        if signals.agreement is not None:
            self._compare("agreement", self._disagreement, signals.cohort, 1.0 - signals.agreement)
        before, self.drift = self.drift, "; ".join(self._sentences.values())
        if self.drift and not before:
            self.drifted_at = time.monotonic()
        return self.drift != before

    def to_proto(self) -> Traffic:
        """Returns the figures as callers get them."""
        return Traffic(
            requests=self.requests.weight,
            failure_rate=self._failure.recent.value,
            boot_latency=ledger.duration(self._boot_s.value),
            selected_share=self._selected.value,
            agreement=1 - self._disagreement.recent.value if self._disagreement.recent.weight else 0.0,
            drift=self.drift if self.held else "",
        )

    def _is_telling(self, stage: Stage.ValueType, seconds: float) -> bool:
        """Returns whether a timeout is the candidate's failure and not due to a caller's short deadline."""
        usual = self._boot_s if stage == STAGE_BOOT else self._complete_s
        return bool(usual.weight) and seconds >= _TELLING_FACTOR * usual.value

    def _figure(self) -> Figure:
        # Each candidate has four figures, whose false alarms add up.
        return Figure(self._rules.tolerance, 4 * self._rules.run_length)

    def _begin_comparisons(self) -> None:
        self._slowness = Comparison(self._figure)
        self._inferiority = Comparison(self._figure)
        self._disagreement = Comparison(self._figure)

    def _compare(self, what: str, figure: Comparison, cohort: Hashable, observation: float | None) -> None:
        if observation is not None:
            self._note(what, figure.observe(cohort, observation), figure.departed)

    def _note(self, what: str, change: Change | None, figure: Figure | None) -> None:
        if change is Change.DRIFTED and figure:
            self._sentences[what] = _SENTENCES[what](figure)
        elif change is Change.RETURNED:
            self._sentences.pop(what, None)


def _failure(figure: Figure) -> str:
    late, calls = figure.since_change()
    return f"{late:.0%} of its last {calls} calls failed, {figure.history.value:.1%} of those before"


def _slowness(figure: Figure) -> str:
    late, boots = figure.since_change()
    before = _times(figure.history.value)
    return f"its last {boots} boots took {_times(late)} times as long as the others', {before} times before"


def _score(figure: Figure) -> str:
    late, partials = figure.since_change()
    before = 0.5 - figure.history.value
    return f"its last {partials} partials scored {0.5 - late:+.2f} beside the others, those before {before:+.2f}"


def _agreement(figure: Figure) -> str:
    late, partials = figure.since_change()
    before = 1 - figure.history.value
    return f"its last {partials} partials agreed with the answers to {1 - late:.2f}, those before to {before:.2f}"


_SENTENCES: Mapping[str, Callable[[Figure], str]] = {
    "failure": _failure,
    "slowness": _slowness,
    "score": _score,
    "agreement": _agreement,
}


def _times(slowness: float) -> str:
    """Returns the ratio of a boot's time to the others' median, from `Signals.slowness`."""
    return f"{slowness / max(1 - slowness, 1e-3):.1f}"


def _ignore(name: str, drift: str) -> None:
    """Does nothing."""


_Peer = tuple[str, float, float]


def _peer(candidate: Candidate) -> _Peer:
    """Returns a candidate's name and the values by which it is ranked."""
    return candidate.name, candidate.prior, candidate.evaluation.score


def _state(candidate: Candidate) -> CandidateState.ValueType:
    return candidate.state or CANDIDATE_STATE_ADMITTED
