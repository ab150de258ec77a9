"""The pool as one route sees it: an immutable snapshot, so that a route never sees a change of the pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Self

from lightrouter.pool.schema import PublicPool
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_EVICTED, CANDIDATE_STATE_PROBATION, Candidate, ModelTarget


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """The candidates that the router may use.

    Attributes:
        candidates: The candidates by name, in the order of the pool.
        targets: What a call to their adapters needs, by name.
        judge: Name of the candidate that judges; None takes the one with the best prior.
        synthesizer: Name of the candidate that merges; None takes the best-ranked one.
        homogeneous: Sentences that explain why merging gains nothing in this pool; empty if it may gain something.
    """

    candidates: Mapping[str, Candidate]
    targets: Mapping[str, ModelTarget]
    judge: str | None = None
    synthesizer: str | None = None
    homogeneous: str = ""

    @classmethod
    def of(cls, pool: PublicPool, adapter_address: str) -> Self:
        """Returns the snapshot of `pool`; `adapter_address` is the template for entries without an address."""
        candidates = [entry.to_proto(entry.target(adapter_address)) for entry in pool.entries.values()]
        for candidate in candidates:
            if candidate.name in pool.evaluations:
                candidate.evaluation.CopyFrom(pool.evaluations[candidate.name])
        return replace(cls.from_candidates(candidates, pool.judge, pool.synthesizer), homogeneous=pool.homogeneous)

    @classmethod
    def from_candidates(
        cls, candidates: Iterable[Candidate], judge: str | None = None, synthesizer: str | None = None
    ) -> Self:
        """Returns the snapshot of these candidates, whose addresses are their adapters'."""
        by_name = {candidate.name: candidate for candidate in candidates}
        targets = {name: ModelTarget(candidate=name, address=c.address) for name, c in by_name.items()}
        return cls(MappingProxyType(by_name), MappingProxyType(targets), judge, synthesizer)

    def on_probation(self, names: Iterable[str]) -> Self:
        """Returns the same pool with the candidates of these names on probation, unless they are evicted."""
        held = dict(self.candidates)
        for name in names:
            if held[name].state != CANDIDATE_STATE_EVICTED:
                held[name] = _on_probation(held[name])
        return replace(self, candidates=MappingProxyType(held))


def _on_probation(candidate: Candidate) -> Candidate:
    changed = Candidate()
    changed.CopyFrom(candidate)
    changed.state = CANDIDATE_STATE_PROBATION
    return changed
