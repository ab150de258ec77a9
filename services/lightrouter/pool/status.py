"""The status of a candidate: its state, the reason and its evaluation. State file, resource and CLI share it.

A Candidate resource has it as its status; the state file has it under the candidate's name:

| field | meaning |
| --- | --- |
| state | admitted, probation or evicted |
| score, scoreLow, scoreHigh | mean quality with its 95% interval, 0 to 1 |
| evaluatedPrompts | prompts behind the score |
| failedPrompts | prompts of these that the candidate failed to answer; each scores 0 |
| categories | the same by kind of prompt: category, score, prompts |
| lastEvaluated | time of the evaluation, RFC 3339 |
| evaluatedModel | the model that was evaluated; if the entry has another one, the status does not apply |
| evaluationRun | the last evaluation that wrote the status, so that it writes only once |
| conditions | Admitted, Diverse and Drifted with reason, message and lastTransitionTime |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from lightrouter.pool.choices import State
from lightrouter.pool.schema import PublicEntry, PublicPool
from lightrouter.v1.candidate_pb2 import CategoryScore, Evaluation

ADMITTED: Final = "Admitted"
"""Type of the condition that explains a candidate's state."""
DIVERSE: Final = "Diverse"
"""Type of the condition that says whether the pool's candidates make different errors; all have it, or none."""
DRIFTED: Final = "Drifted"
"""Type of the condition that says whether a router has seen the candidate leave its own history."""
BY_HAND: Final = "ByHand"
"""Reason of a state that a person set. The evaluator does not change an eviction by hand."""

_CONDITION_STATUS: Final = {State.ADMITTED: "True", State.PROBATION: "Unknown", State.EVICTED: "False"}
# The resource definition's maxItems for categories.
_MAX_CATEGORIES: Final = 256
PoolType = TypeVar("PoolType", bound=PublicPool)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition other than Admitted.

    Attributes:
        holds: Whether the condition is true.
        reason: The reason, one word for programs.
        message: The reason in sentences for people.
        since: Time of the last change of `holds`, RFC 3339.
    """

    holds: bool
    reason: str
    message: str
    since: str

    def to_json(self, kind: str) -> dict[str, Any]:
        """Returns the condition of type `kind` as Kubernetes writes it."""
        return _condition_json(kind, "True" if self.holds else "False", self.reason, self.message, self.since)

    @classmethod
    def after(cls, before: Condition | None, *, holds: bool, reason: str, message: str, now: datetime) -> Condition:
        """Returns the condition that replaces `before`; its time is `now` if `holds` changes."""
        since = before.since if before and before.holds is holds and before.since else rfc3339(now)
        return cls(holds, reason, message, since)


@dataclass(frozen=True, slots=True)
class CandidateStatus:
    """The status of a candidate.

    Attributes:
        state: The state; None means that the entry's own state applies.
        reason: The reason for the state, one word for programs.
        message: The reason for the state, one sentence for people.
        since: Time of the last change of the state, RFC 3339; empty if unknown.
        model: The model that the status is about; empty: any model.
        run: The last evaluation that wrote the status; empty: none.
        evaluation: The evaluator's result; None if the candidate was never evaluated.
        diverse: Whether the pool's candidates make different errors; None if unknown.
        drifted: Whether a router has seen the candidate leave its own history; None if no router ever has.
    """

    state: State | None = None
    reason: str = ""
    message: str = ""
    since: str = ""
    model: str = ""
    run: str = ""
    evaluation: Evaluation | None = None
    diverse: Condition | None = None
    drifted: Condition | None = None

    @property
    def held_out(self) -> bool:
        """Whether a person has evicted the candidate. Only a person can undo that."""
        return self.state is State.EVICTED and self.reason == BY_HAND

    def about(self, model: str) -> bool:
        """Returns whether the status applies to a candidate with `model`."""
        return self.model in {"", model}

    def moved(self, state: State, reason: str, message: str, now: datetime) -> CandidateStatus:
        """Returns the status with `state` and its reason; its time is `now` if the state changes."""
        since = self.since if state is self.state and self.since else rfc3339(now)
        return replace(self, state=state, reason=reason, message=message, since=since)


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A pool with the status of its candidates.

    Attributes:
        pool: The pool, with the states that apply now.
        statuses: The statuses by candidate; a status about another model than the entry's is left out.
    """

    pool: PublicPool
    statuses: Mapping[str, CandidateStatus]

    @classmethod
    def of(cls, pool: PublicPool, statuses: Mapping[str, CandidateStatus]) -> PoolStatus:
        """Returns the status of `pool`, whose entries have their own states."""
        about = {n: each for n, each in statuses.items() if n in pool.entries and each.about(pool.entries[n].model)}
        return cls(overlaid(pool, about), about)

    def status(self, name: str) -> CandidateStatus:
        """Returns a candidate's status, with its state and its model."""
        entry = self.pool.entries[name]
        return replace(self.statuses.get(name, CandidateStatus()), state=entry.state, model=entry.model)


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of a candidate's state.

    Attributes:
        candidate: The candidate's name.
        before: The state before.
        after: The status now.
    """

    candidate: str
    before: State
    after: CandidateStatus

    @classmethod
    def between(cls, before: PoolStatus, name: str, after: CandidateStatus) -> StateChange | None:
        """Returns the change of a candidate's state; None if `after` has the same state or none."""
        state = before.pool.entries[name].state
        return cls(name, state, after) if after.state not in {None, state} else None


def parse(status: Mapping[str, Any]) -> CandidateStatus:
    """Returns the status that JSON describes; values of a wrong type or range are ignored."""
    state = status.get("state")
    conditions = status.get("conditions")
    condition = next((c for c in _mappings(conditions) if c.get("type") == ADMITTED), {})
    return CandidateStatus(
        state=State(state) if state in list(State) else None,
        reason=_text(condition.get("reason")),
        message=_text(condition.get("message")),
        since=_text(condition.get("lastTransitionTime")),
        model=_text(status.get("evaluatedModel")),
        run=_text(status.get("evaluationRun")),
        evaluation=_evaluation(status, _text(condition.get("message"))),
        diverse=_condition(conditions, DIVERSE),
        drifted=_condition(conditions, DRIFTED),
    )


def to_json(status: CandidateStatus) -> dict[str, Any]:
    """Returns a status, which must have a state, as JSON; unknown fields are left out."""
    if status.state is None:
        raise ValueError("a status needs a state")
    admitted = _condition_json(ADMITTED, _CONDITION_STATUS[status.state], status.reason, status.message, status.since)
    others = {DIVERSE: status.diverse, DRIFTED: status.drifted}
    conditions = [admitted, *(condition.to_json(kind) for kind, condition in others.items() if condition)]
    made: dict[str, Any] = {"state": status.state.value, "conditions": conditions}
    made |= {"evaluatedModel": status.model} if status.model else {}
    made |= {"evaluationRun": status.run} if status.run else {}
    if (found := status.evaluation) is not None:
        made |= {
            "score": found.score,
            "scoreLow": found.score_low,
            "scoreHigh": found.score_high,
            "evaluatedPrompts": found.prompts,
            "failedPrompts": found.failed,
            "lastEvaluated": rfc3339(found.evaluated_at.ToDatetime(UTC)),
            "categories": [{"category": c.category, "score": c.score, "prompts": c.prompts} for c in found.categories],
        }
    return made


def _condition_json(kind: str, status: str, reason: str, message: str, since: str) -> dict[str, Any]:
    """Returns a condition as Kubernetes writes it."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def overlaid(pool: PoolType, statuses: Mapping[str, CandidateStatus]) -> PoolType:
    """Returns `pool` with the states and evaluations of `statuses`, by candidate name."""
    entries, evaluations = dict(pool.entries), {}
    for name, entry in pool.entries.items():
        status = statuses.get(name)
        if status is None or not status.about(entry.model):
            continue
        if status.state is not None:
            entries[name] = entry.model_copy(update={"state": status.state})
        if status.evaluation is not None:
            evaluations[name] = status.evaluation
    homogeneous = _homogeneous(entries, statuses)
    return replace(pool, entries=entries, evaluations=evaluations, homogeneous=homogeneous)


def _homogeneous(entries: Mapping[str, PublicEntry], statuses: Mapping[str, CandidateStatus]) -> str:
    """Returns why the pool is homogeneous; empty if it is not, or if not all its candidates were compared."""
    asked = [entry for entry in entries.values() if entry.state is not State.EVICTED]
    found = [
        status.diverse
        for entry in asked
        if (status := statuses.get(entry.name)) and status.about(entry.model) and status.diverse
    ]
    if not found or len(found) < len(asked) or any(condition.holds for condition in found):
        return ""
    return found[0].message


def rfc3339(moment: datetime) -> str:
    """Returns a moment as Kubernetes writes it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _evaluation(status: Mapping[str, Any], explanation: str) -> Evaluation | None:
    score, low, high = (_share(status.get(key)) for key in ("score", "scoreLow", "scoreHigh"))
    prompts = _count(status.get("evaluatedPrompts"))
    if score is None or not prompts:
        return None
    found = Evaluation(
        score=score,
        score_low=score if low is None else low,
        score_high=score if high is None else high,
        prompts=prompts,
        explanation=explanation,
        failed=min(prompts, _count(status.get("failedPrompts"))),
    )
    try:
        found.evaluated_at.FromJsonString(_text(status.get("lastEvaluated")))
    except ValueError:
        found.evaluated_at.CopyFrom(Timestamp())
    for each in _mappings(status.get("categories"))[:_MAX_CATEGORIES]:
        category, quality, count = _text(each.get("category")), _share(each.get("score")), _count(each.get("prompts"))
        if category and quality is not None and count:
            found.categories.append(CategoryScore(category=category, score=quality, prompts=count))
    return found


def _condition(conditions: object, kind: str) -> Condition | None:
    said = next((c for c in _mappings(conditions) if c.get("type") == kind), None)
    if said is None or said.get("status") not in {"True", "False"}:
        return None
    reason, message, since = (_text(said.get(key)) for key in ("reason", "message", "lastTransitionTime"))
    return Condition(said["status"] == "True", reason, message, since)


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(1.0, max(0.0, float(value)))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else 0
