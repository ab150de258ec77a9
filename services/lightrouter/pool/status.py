"""The status of a candidate: its state, the reasons and its evaluation. State file, resource and CLI share it.

A Candidate resource has it as its status; the state file has it under the candidate's name. Both use camelCase keys.
The resource's definition has the same fields and bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from lightrouter.pool.choices import State
from lightrouter.pool.schema import MOST_MODEL_CHARACTERS, PublicEntry, PublicPool
from lightrouter.v1.candidate_pb2 import CategoryScore, Evaluation

ADMITTED: Final = "Admitted"
"""Type of the condition that explains a candidate's state."""
DIVERSE: Final = "Diverse"
"""Type of the condition that says whether the pool's candidates make different errors; all have it, or none."""
DRIFTED: Final = "Drifted"
"""Type of the condition that says whether a router has seen the candidate leave its own history."""
BY_HAND: Final = "ByHand"
"""Reason of a state that a person set. The evaluator does not change an eviction by hand."""

MAX_CATEGORIES: Final = 256
"""Maximum categories of a status."""

Truth = Literal["True", "False", "Unknown"]
"""Whether a condition holds, as Kubernetes writes it."""

_CONDITION_STATUS: Final[Mapping[State, Truth]] = {
    State.ADMITTED: "True",
    State.PROBATION: "Unknown",
    State.EVICTED: "False",
}
_WRITTEN: Final = frozenset({ADMITTED, DIVERSE, DRIFTED})
PoolType = TypeVar("PoolType", bound=PublicPool)


def _objects(value: object) -> object:
    return [each for each in value if isinstance(each, Mapping | BaseModel)] if isinstance(value, list | tuple) else ()


def _text(most: int, least: int = 0) -> WithJsonSchema:
    """Returns the schema of a text in the resource's definition; what is read may be longer."""
    return WithJsonSchema({"type": "string", "maxLength": most} | ({"minLength": least} if least else {}))


def _map(key: str, most: int) -> JsonDict:
    """Returns the schema of a list whose items `key` names, so that each field manager owns its own items."""
    return {"maxItems": most, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


_Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
_Count = Annotated[int, Field(ge=0, lt=2**63), WithJsonSchema({"type": "integer", "format": "int64", "minimum": 0})]
_Share = Annotated[
    float,
    Field(allow_inf_nan=False),
    AfterValidator(lambda value: min(1.0, max(0.0, value))),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]


class _Part(BaseModel):
    """A part of a status. A value of a wrong type or range counts as unknown: people may edit both homes."""

    model_config = ConfigDict(
        frozen=True, strict=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _known(cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return handler(value)
        except ValueError:
            return cls.model_fields[info.field_name or ""].default


class Condition(_Part):
    """A condition as Kubernetes writes it."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["type", "status", "reason", "message", "lastTransitionTime"]}
    )

    type: Annotated[str, _text(316, 1)] = ""
    """Its kind: Ready, Admitted, Diverse or Drifted."""
    status: Truth = "Unknown"
    """Whether it holds."""
    reason: Annotated[str, _text(1024, 1)] = ""
    """The reason, one word for programs."""
    message: Annotated[str, _text(32_768)] = ""
    """The reason in sentences for people."""
    observed_generation: _Count | None = None
    """The generation of the spec that it describes."""
    last_transition_time: _Moment = ""
    """Time of the last change of `status`; empty if unknown."""


class Category(_Part):
    """The quality on one kind of prompts."""

    model_config = ConfigDict(json_schema_extra={"required": ["category", "score", "prompts"]})

    category: Annotated[str, _text(63, 1)] = ""
    """The kind of prompt."""
    score: _Share | None = None
    """The mean quality, 0 to 1."""
    prompts: _Count = 0
    """Number of prompts behind the score."""


class CandidateStatus(_Part):
    """The status of a candidate."""

    state: Annotated[State, Field(strict=False)] | None = None
    """Whether it may answer, as the evaluator or a person decided; if it is missing, the entry's own state applies."""
    conditions: Annotated[
        tuple[Condition, ...], Field(strict=False, json_schema_extra=_map("type", 16)), BeforeValidator(_objects)
    ] = ()
    """Admitted says why it has its state; Diverse whether the pool's candidates make different errors; Drifted whether
    a router has seen it leave its own history; Ready whether the router uses it, and if not, why."""
    evaluated_model: Annotated[str, _text(MOST_MODEL_CHARACTERS)] | None = None
    """The model that was evaluated; if the entry has another one, the status does not apply."""
    evaluation_run: Annotated[str, _text(64)] | None = None
    """The last evaluation that wrote the status, so that it writes only once."""
    score: _Share | None = None
    """Its mean quality over the validation prompts, 0 to 1."""
    score_low: _Share | None = None
    """Lower end of the score's 95% interval."""
    score_high: _Share | None = None
    """Upper end of the score's 95% interval."""
    evaluated_prompts: _Count | None = None
    """Number of validation prompts behind the score."""
    failed_prompts: _Count | None = None
    """Number of these prompts that the candidate failed to answer; each scores 0."""
    last_evaluated: _Moment | None = None
    """Time of the last evaluation."""
    categories: (
        Annotated[
            tuple[Category, ...],
            Field(strict=False, json_schema_extra=_map("category", MAX_CATEGORIES)),
            BeforeValidator(_objects),
        ]
        | None
    ) = None
    """The score for each kind of prompt."""
    observed_generation: _Count | None = None
    """The generation of the spec that the conditions describe."""

    @property
    def admitted(self) -> Condition:
        """The reason for the state; empty if unknown."""
        return self.condition(ADMITTED) or Condition(type=ADMITTED)

    @property
    def held_out(self) -> bool:
        """Whether a person has evicted the candidate. Only a person can undo that."""
        return self.state is State.EVICTED and self.admitted.reason == BY_HAND

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The evaluator's result; None if the candidate was never evaluated. It is made once, which takes 0.1 ms."""
        if self.score is None or not self.evaluated_prompts:
            return None
        found = Evaluation(
            score=self.score,
            score_low=self.score if self.score_low is None else self.score_low,
            score_high=self.score if self.score_high is None else self.score_high,
            prompts=self.evaluated_prompts,
            explanation=self.admitted.message,
            failed=min(self.evaluated_prompts, self.failed_prompts or 0),
            categories=[
                CategoryScore(category=each.category, score=each.score, prompts=each.prompts)
                for each in (self.categories or ())[:MAX_CATEGORIES]
                if each.category and each.score is not None and each.prompts
            ],
        )
        with suppress(ValueError):
            found.evaluated_at.FromJsonString(self.last_evaluated or "")
        return found

    def condition(self, kind: str) -> Condition | None:
        """Returns the condition of type `kind`; None if there is none."""
        return next((each for each in self.conditions if each.type == kind), None)

    def next_condition(self, kind: str, status: Truth, reason: str, message: str, now: datetime) -> Condition:
        """Returns the condition that replaces that of type `kind`; its time is `now` if `status` changes."""
        before = self.condition(kind)
        since = before.last_transition_time if before and before.status == status else ""
        return Condition(
            type=kind, status=status, reason=reason, message=message, last_transition_time=since or rfc3339(now)
        )

    def holds(self, kind: str) -> bool:
        """Returns whether the condition of type `kind` is there and true."""
        found = self.condition(kind)
        return found is not None and found.status == "True"

    def about(self, model: str) -> bool:
        """Returns whether the status applies to a candidate with `model`."""
        return self.evaluated_model in {None, "", model}

    def having(self, *conditions: Condition, **fields: Any) -> CandidateStatus:
        """Returns the status with these fields, and with these conditions in place of those of the same types."""
        kept = {each.type: each for each in (*self.conditions, *conditions)}
        return CandidateStatus(**{**dict(self), **fields, "conditions": tuple(kept.values())})

    def moved(self, state: State, reason: str, message: str, now: datetime) -> CandidateStatus:
        """Returns the status with `state` and its reason; its time is `now` if the state changes."""
        admitted = self.next_condition(ADMITTED, _CONDITION_STATUS[state], reason, message, now)
        return self.having(admitted, state=state)

    def as_entry(self, entry: PublicEntry) -> CandidateStatus:
        """Returns the status with the state and the model of `entry`, for the same reason."""
        admitted = self.admitted.model_copy(update={"status": _CONDITION_STATUS[entry.state]})
        return self.having(admitted, state=entry.state, evaluated_model=entry.model)

    def to_json(self) -> dict[str, Any]:
        """Returns the status as state file and CLI have it: without what only a router says of a resource."""
        written = [
            each.model_copy(update={"observed_generation": None})
            for each in sorted(self.conditions, key=lambda each: each.type)
            if each.type in _WRITTEN
        ]
        said = self.model_copy(update={"conditions": tuple(written), "observed_generation": None})
        return said.model_dump(mode="json", by_alias=True, exclude_none=True)


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
        return cls(overlaid(pool, statuses), _about(pool, statuses))

    def status(self, name: str) -> CandidateStatus:
        """Returns a candidate's status, with its state and its model."""
        entry = self.pool.entries[name]
        return self.statuses.get(name, CandidateStatus()).as_entry(entry)


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


def overlaid(pool: PoolType, statuses: Mapping[str, CandidateStatus]) -> PoolType:
    """Returns `pool` with the states and evaluations of `statuses`, by candidate name."""
    about = _about(pool, statuses)
    states = {name: status.state for name, status in about.items() if status.state is not None}
    entries = dict(pool.entries) | {n: pool.entries[n].model_copy(update={"state": s}) for n, s in states.items()}
    evaluations = {name: found for name, status in about.items() if (found := status.evaluation) is not None}
    return replace(pool, entries=entries, evaluations=evaluations, homogeneous=_homogeneous(entries, about))


def _about(pool: PublicPool, statuses: Mapping[str, CandidateStatus]) -> dict[str, CandidateStatus]:
    """Returns the statuses that apply to candidates of `pool`."""
    entries = pool.entries
    return {name: each for name, each in statuses.items() if name in entries and each.about(entries[name].model)}


def _homogeneous(entries: Mapping[str, PublicEntry], about: Mapping[str, CandidateStatus]) -> str:
    """Returns why the pool is homogeneous; empty if it is not, or if not all its candidates were compared."""
    found = [
        about[name].condition(DIVERSE) if name in about else None
        for name, entry in entries.items()
        if entry.state is not State.EVICTED
    ]
    alike = [condition.message for condition in found if condition and condition.status == "False"]
    return alike[0] if alike and len(alike) == len(found) else ""


def rfc3339(moment: datetime) -> str:
    """Returns a moment as Kubernetes writes it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
