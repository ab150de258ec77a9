"""What the router's own traffic shows of each candidate, and who has drifted: left its own history for the worse."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from lightrouter.router.pool.drift import Change, Figure, Mean
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
"""Hears the name of a candidate that is held from now on, and why in a sentence: an empty one where it no longer is."""

_RECENT_REQUESTS = 200
# A timeout counts from so many times what the candidate usually needs.
_TELLING_TIMES = 3.0


class TrafficMonitor:
    """The figures of every candidate of the pool, and the pool without those that have drifted.

    One that has drifted counts as on probation until its figures are what they were, or it is evaluated anew. The pool
    is never left with fewer admitted candidates than the rules' minimum: what all of them do is no candidate's doing.
    """

    def __init__(self, rules: DriftRules, transitions: StateTransitions | None = None) -> None:
        """Starts with an empty pool; announces changes of candidates' states with `transitions`."""
        self._rules = rules
        self._transitions = transitions or StateTransitions()
        self._records: dict[str, _CandidateFigures] = {}
        self._pool = PoolSnapshot.from_candidates(())
        self._snapshot = self._pool
        self._heard: Listener = _nobody
        self._turn = 0

    def snapshot(self) -> PoolSnapshot:
        """Returns the pool as this router uses it: with those on probation that have drifted."""
        return self._snapshot

    def listen(self, heard: Listener) -> None:
        """Tells `heard` of each candidate that is held from now on, and of each that no longer is."""
        self._heard = heard

    def follow(self, pool: PoolSnapshot) -> None:
        """Takes this for the pool. A drifted candidate that was evaluated, or is another one now, begins anew."""
        before, self._pool = self._pool, pool
        old, self._records = self._records, {}
        for name, candidate in pool.candidates.items():
            record = old.get(name)
            if record is None or record.is_stale_for(candidate):
                self._records[name] = _CandidateFigures(candidate, self._rules)
            else:
                self._records[name] = record
                record.candidate = candidate
            known = before.candidates.get(name)
            if known and _state(known) != _state(candidate):
                why = candidate.evaluation.explanation or "the pool says so"
                self._transitions.announce(name, _state(known), _state(candidate), Cause.POOL, why)
            if record and record.held and record is not self._records[name]:
                self._release(self._records[name], Cause.EVALUATED, "it was evaluated anew, or is another model now")
        for name, record in old.items():
            if record.held and name not in self._records:
                # Whoever comes under its name is another one.
                self._heard(name, "")
        self._settle()

    def begun(self) -> None:
        """A route begins. See `record.Observer`."""

    def ended(self, record: RouteRecord) -> None:
        """Takes what a route showed, where there is an answer. See `record.Observer`."""
        if record.answer is None or record.selection is None or not record.boots:
            return
        # One partial a route, each in its turn: comparing them all would cost as much as the rest of the route.
        self._turn += 1
        compared = record.boots[self._turn % len(record.boots)]
        agreement = agreement_with(compared, record.answer, record.policy or Policy())
        agreements = {} if agreement is None else {compared.candidate.name: agreement}
        self.note(signals_of(record.ledger.entries, record.boots, record.selection.chosen, agreements))

    def note(self, observations: Mapping[str, Signals]) -> None:
        """Takes what one route showed of its candidates."""
        changed = False
        for name, observation in observations.items():
            record = self._records.get(name)
            if record is not None and record.note(observation):
                changed = True
        if changed:
            self._settle()

    def of(self, name: str) -> Traffic | None:
        """Returns the figures of a candidate; None where it has taken part in no request."""
        record = self._records.get(name)
        return record.seen() if record and record.requests.weight else None

    def conditions(self) -> list[PoolCondition]:
        """Returns what is to be said of the pool as a whole."""
        message = (
            f"{{}} has drifted and stays admitted, for the pool would be left with fewer than {self._rules.minimum} "
            "candidates: {}. Add candidates, or evaluate those that are out"
        )
        found = [PoolCondition(type="Homogeneous", message=self._pool.homogeneous)] if self._pool.homogeneous else []
        return found + [
            PoolCondition(type="MinimumReached", message=message.format(name, record.drift))
            for name, record in self._records.items()
            if record.drift and not record.held and _state(record.candidate) == CANDIDATE_STATE_ADMITTED
        ]

    def _settle(self) -> None:
        """Holds those that drifted first, as far as the minimum lets it, and releases the others."""
        admitted = [each for each in self._records.values() if _state(each.candidate) == CANDIDATE_STATE_ADMITTED]
        drifted = sorted((each for each in admitted if each.drift), key=lambda each: each.drifted_at)
        held = drifted[: max(0, len(admitted) - self._rules.minimum)]
        for record in self._records.values():
            was_held, record.held = record.held, record in held
            if was_held and not record.held:
                if record.drift:
                    self._release(record, Cause.MINIMUM, "the pool would have too few candidates without it")
                else:
                    self._release(record, Cause.RETURNED, "its figures are what they were before")
            elif record.held and not was_held:
                name = record.candidate.name
                self._transitions.announce(
                    name, CANDIDATE_STATE_ADMITTED, CANDIDATE_STATE_PROBATION, Cause.DRIFTED, record.drift
                )
                self._heard(name, record.drift)
        self._snapshot = self._pool.on_probation(each.candidate.name for each in held)
        peers = frozenset(_peer(each.candidate) for each in admitted if not each.held)
        for record in self._records.values():
            record.set_peers(peers)

    def _release(self, record: _CandidateFigures, cause: Cause, why: str) -> None:
        name, state = record.candidate.name, _state(record.candidate)
        if state == CANDIDATE_STATE_ADMITTED:
            self._transitions.announce(name, CANDIDATE_STATE_PROBATION, state, cause, why)
        self._heard(name, "")


class _CandidateFigures:
    """One candidate's figures.

    Attributes:
        candidate: What the pool says of it.
        requests: The requests that it took part in; only the weight counts.
        held: Whether this router holds it on probation.
        drift: Which of its figures have left their history, in a sentence; empty where none has.
        drifted_at: When it left its history, on the monotonic clock.
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
        self._peers: frozenset[_Peer] | None = None
        self._sentences: dict[str, str] = {}
        self._failure = self._figure()
        self._begin_comparisons()

    def is_stale_for(self, candidate: Candidate) -> bool:
        """Whether this history is not that of `candidate`: it drifted and was evaluated since, or is another model."""
        known = self.candidate
        if (known.provider, known.model, known.address) != (candidate.provider, candidate.model, candidate.address):
            return True
        return bool(self.drift) and known.evaluation.evaluated_at != candidate.evaluation.evaluated_at

    def set_peers(self, peers: frozenset[_Peer]) -> None:
        """Sets the candidates that it is compared with; if they are others, figures that compare it begin anew."""
        if self._peers not in {None, peers} and not self.drift:
            self._begin_comparisons()
        self._peers = peers

    def note(self, observation: Signals) -> bool:
        """Takes what a route showed; returns whether `drift` has changed."""
        self.requests.add(1.0)
        if observation.boot_s is not None:
            self._boot_s.add(observation.boot_s)
        if observation.complete_s is not None:
            self._complete_s.add(observation.complete_s)
        waited_out = [True for each in observation.timed_out if self._is_telling(*each)]
        for failed in (*observation.failed, *waited_out):
            self._add("failure", self._failure, float(failed))
        if observation.slowness is not None:
            self._add("slowness", self._slowness, observation.slowness)
        if observation.selected is not None:
            self._add("selected", self._unselected, 1.0 - observation.selected)
        if observation.agreement is not None:
            self._add("agreement", self._disagreement, 1.0 - observation.agreement)
        before, self.drift = self.drift, "; ".join(self._sentences.values())
        if self.drift and not before:
            self.drifted_at = time.monotonic()
        return self.drift != before

    def seen(self) -> Traffic:
        """Returns the figures as callers see them."""
        return Traffic(
            requests=self.requests.weight,
            failure_rate=self._failure.recent.value,
            boot_latency=ledger.duration(self._boot_s.value),
            selected_share=1 - self._unselected.recent.value if self._unselected.recent.weight else 0.0,
            agreement=1 - self._disagreement.recent.value if self._disagreement.recent.weight else 0.0,
            drift=self.drift if self.held else "",
        )

    def _is_telling(self, stage: Stage.ValueType, seconds: float) -> bool:
        """Tells whether a call that timed out failed by the candidate's doing, and not by a caller's short deadline."""
        usual = self._boot_s if stage == STAGE_BOOT else self._complete_s
        return bool(usual.weight) and seconds >= _TELLING_TIMES * usual.value

    def _figure(self) -> Figure:
        # One of the four alarms falsely four times as often as each.
        return Figure(self._rules.tolerance, 4 * self._rules.run_length)

    def _begin_comparisons(self) -> None:
        self._slowness, self._unselected, self._disagreement = self._figure(), self._figure(), self._figure()

    def _add(self, what: str, figure: Figure, observation: float) -> None:
        change = figure.observe(observation)
        if change is Change.DRIFTED:
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


def _selected(figure: Figure) -> str:
    late, boots = figure.since_change()
    return f"it was chosen after {1 - late:.0%} of its last {boots} boots, {1 - figure.history.value:.0%} before"


def _agreement(figure: Figure) -> str:
    late, partials = figure.since_change()
    before = 1 - figure.history.value
    return f"its last {partials} partials agreed with the answers to {1 - late:.2f}, those before to {before:.2f}"


_SENTENCES: Mapping[str, Callable[[Figure], str]] = {
    "failure": _failure,
    "slowness": _slowness,
    "selected": _selected,
    "agreement": _agreement,
}


def _times(slowness: float) -> str:
    """Returns the ratio of a boot's time to the others' that `signals_of.Observation.slowness` stands for."""
    return f"{slowness / max(1 - slowness, 1e-3):.1f}"


def _nobody(name: str, drift: str) -> None:
    """Hears nothing."""


_Peer = tuple[str, float, float]


def _peer(candidate: Candidate) -> _Peer:
    """Returns a candidate's name, and what is known of its quality, by which it is ranked."""
    return candidate.name, candidate.prior, candidate.evaluation.score


def _state(candidate: Candidate) -> CandidateState.ValueType:
    return candidate.state or CANDIDATE_STATE_ADMITTED
