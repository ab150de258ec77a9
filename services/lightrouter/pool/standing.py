"""A candidate's standing: its state, the reason, and the evaluator's result. Both homes of a pool use one form.

A Candidate resource stores it in its status, the state file by the candidate's name:

| field | |
| --- | --- |
| state | admitted, probation or evicted |
| score, scoreLow, scoreHigh | mean quality with its 95% interval, 0 to 1 |
| evaluatedPrompts | prompts behind the score |
| failedPrompts | prompts that it failed to answer, which score 0 |
| categories | the score for each kind of prompt: category, score, prompts |
| lastEvaluated | time of the evaluation, in RFC 3339 |
| evaluatedModel | the evaluated model; an entry with another model is a new candidate |
| evaluationRun | the id of the evaluation, so that it is applied once |
| conditions | Admitted, Diverse and Drifted with reason, message and lastTransitionTime; those of other writers stay |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from lightrouter.pool.schema import PublicEntry, PublicPool, State
from lightrouter.v1.candidate_pb2 import CategoryScore, Evaluation

ADMITTED: Final = "Admitted"
"""Type of the condition that says why a candidate has its state."""
DIVERSE: Final = "Diverse"
"""Type of the condition that says whether the candidates make different errors; all of them have it or none."""
DRIFTED: Final = "Drifted"
"""Type of the condition that says whether a router has seen the candidate depart from its own history."""
BY_HAND: Final = "ByHand"
"""Reason of a state that a person set; the evaluator does not change an eviction by hand."""

_CONDITION_STATUS: Final = {State.ADMITTED: "True", State.PROBATION: "Unknown", State.EVICTED: "False"}
_MOST_CATEGORIES: Final = 256
PoolType = TypeVar("PoolType", bound=PublicPool)


@dataclass(frozen=True, slots=True)
class Remark:
    """A condition other than that of the state.

    Attributes:
        holds: Whether it is true.
        reason: The reason, as one word for programs.
        message: The reason, in sentences for people.
        since: Time of its last change, in RFC 3339.
    """

    holds: bool
    reason: str
    message: str
    since: str

    def condition(self, kind: str) -> dict[str, Any]:
        """Returns the remark as a condition of the type `kind`."""
        return {
            "type": kind,
            "status": "True" if self.holds else "False",
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.since,
        }

    @classmethod
    def after(cls, before: Remark | None, *, holds: bool, reason: str, message: str, now: datetime) -> Remark:
        """Returns the remark that replaces `before`; its time is `now` if `before` said the opposite."""
        since = before.since if before and before.holds is holds and before.since else rfc3339(now)
        return cls(holds, reason, message, since)


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate's standing.

    Attributes:
        state: Its state; None: the entry's.
        reason: The reason for the state, as one word for programs.
        message: The reason, in one sentence for people.
        since: Time of the last change, in RFC 3339; empty if unknown.
        model: The model that this describes; empty: any.
        run: The id of the last evaluation; empty: none.
        evaluation: Its result; None if it was never evaluated.
        diverse: Whether the candidates make different errors; None if unknown.
        drifted: Whether a router has seen it depart from its own history; None if none ever has.
    """

    state: State | None = None
    reason: str = ""
    message: str = ""
    since: str = ""
    model: str = ""
    run: str = ""
    evaluation: Evaluation | None = None
    diverse: Remark | None = None
    drifted: Remark | None = None

    @property
    def held_out(self) -> bool:
        """Whether a person has evicted it, which only a person can undo."""
        return self.state is State.EVICTED and self.reason == BY_HAND

    def about(self, model: str) -> bool:
        """Returns whether this describes a candidate with `model`."""
        return self.model in {"", model}

    def moved(self, state: State, reason: str, message: str, now: datetime) -> Standing:
        """Returns the standing with `state` for this reason; its time is `now` if the state changes."""
        since = self.since if state is self.state and self.since else rfc3339(now)
        return replace(self, state=state, reason=reason, message=message, since=since)


def parse(status: Mapping[str, Any]) -> Standing:
    """Returns the standing of a status; invalid values are ignored."""
    state = status.get("state")
    conditions = status.get("conditions")
    condition = next((c for c in _mappings(conditions) if c.get("type") == ADMITTED), {})
    return Standing(
        state=State(state) if state in list(State) else None,
        reason=_text(condition.get("reason")),
        message=_text(condition.get("message")),
        since=_text(condition.get("lastTransitionTime")),
        model=_text(status.get("evaluatedModel")),
        run=_text(status.get("evaluationRun")),
        evaluation=_evaluation(status, _text(condition.get("message"))),
        diverse=_remark(conditions, DIVERSE),
        drifted=_remark(conditions, DRIFTED),
    )


def status_of(standing: Standing, others: object = ()) -> dict[str, Any]:
    """Returns `standing` as a status; unknown values are left out.

    Args:
        standing: The standing, which has a state.
        others: The existing conditions; those of other types stay.
    """
    if standing.state is None:
        raise ValueError("a standing must have a state")
    condition = {
        "type": ADMITTED,
        "status": _CONDITION_STATUS[standing.state],
        "reason": standing.reason,
        "message": standing.message,
        "lastTransitionTime": standing.since,
    }
    remarks = {DIVERSE: standing.diverse, DRIFTED: standing.drifted}
    said = [condition, *(remark.condition(kind) for kind, remark in remarks.items() if remark)]
    kept = [other for other in _mappings(others) if other.get("type") not in {each["type"] for each in said}]
    status: dict[str, Any] = {"state": standing.state.value, "conditions": [*kept, *said]}
    status |= {"evaluatedModel": standing.model} if standing.model else {}
    status |= {"evaluationRun": standing.run} if standing.run else {}
    if (found := standing.evaluation) is not None:
        status |= {
            "score": found.score,
            "scoreLow": found.score_low,
            "scoreHigh": found.score_high,
            "evaluatedPrompts": found.prompts,
            "failedPrompts": found.failed,
            "lastEvaluated": rfc3339(found.evaluated_at.ToDatetime(UTC)),
            "categories": [{"category": c.category, "score": c.score, "prompts": c.prompts} for c in found.categories],
        }
    return status


def overlaid(pool: PoolType, standings: Mapping[str, Standing]) -> PoolType:
    """Returns `pool` with its candidates' standings, given by name."""
    entries, evaluations = dict(pool.entries), {}
    for name, entry in pool.entries.items():
        standing = standings.get(name)
        if standing is None or not standing.about(entry.model):
            continue
        if standing.state is not None:
            entries[name] = entry.model_copy(update={"state": standing.state})
        if standing.evaluation is not None:
            evaluations[name] = standing.evaluation
    homogeneous = _homogeneous(entries, standings)
    return replace(pool, entries=entries, evaluations=evaluations, homogeneous=homogeneous)


def _homogeneous(entries: Mapping[str, PublicEntry], standings: Mapping[str, Standing]) -> str:
    """Returns why the pool is homogeneous; empty if it is not, or if some candidates were not compared."""
    asked = [entry for entry in entries.values() if entry.state is not State.EVICTED]
    found = [
        standing.diverse
        for entry in asked
        if (standing := standings.get(entry.name)) and standing.about(entry.model) and standing.diverse
    ]
    if not found or len(found) < len(asked) or any(remark.holds for remark in found):
        return ""
    return found[0].message


def rfc3339(moment: datetime) -> str:
    """Returns a time in Kubernetes' format, to the second."""
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
    for category in _mappings(status.get("categories"))[:_MOST_CATEGORIES]:
        name, quality, count = (
            _text(category.get("category")),
            _share(category.get("score")),
            _count(category.get("prompts")),
        )
        if name and quality is not None and count:
            found.categories.append(CategoryScore(category=name, score=quality, prompts=count))
    return found


def _remark(conditions: object, kind: str) -> Remark | None:
    said = next((c for c in _mappings(conditions) if c.get("type") == kind), None)
    if said is None or said.get("status") not in {"True", "False"}:
        return None
    reason, message, since = (_text(said.get(key)) for key in ("reason", "message", "lastTransitionTime"))
    return Remark(said["status"] == "True", reason, message, since)


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
