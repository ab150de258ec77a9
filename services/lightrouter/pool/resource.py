"""The Candidate resource (lightrouter.dev/v1alpha1): its pool entry, its faults, and the writes to its status.

The spec is the public part of a pool file's entry (`schema.PublicEntry`), with camelCase keys. Three of them differ:
`name` defaults to metadata.name, `baseUrl` is only for people to read, because the adapter alone calls it, and `state`
applies until status.state is set. All other keys of an entry, credentials above all, are for its adapter alone and
refused here.

Each part of the status has one writer, and the writer's field manager owns it (server-side apply):

| field manager | fields |
| --- | --- |
| lightrouter-evaluator | evaluator and CLI: state, figures, and the conditions Admitted and Diverse |
| lightrouter-router | the condition Ready and observedGeneration |
| lightrouter-drift | the condition Drifted |
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from lightrouter.pool import status as statuses
from lightrouter.pool.api import Object
from lightrouter.pool.file import MAX_CANDIDATES
from lightrouter.pool.schema import PROVIDERS, PriceList, PublicEntry, PublicPool
from lightrouter.pool.status import DIVERSE, DRIFTED, CandidateStatus, PoolStatus
from lightrouter.runtime import faults

GROUP: Final = "lightrouter.dev"
"""The resource's API group."""
VERSION: Final = "v1alpha1"
"""The version that is read."""
KIND: Final = "Candidate"
"""The resource's kind."""
PLURAL: Final = "candidates"
"""The resource's name in URLs."""
READY: Final = "Ready"
"""Type of the condition that says whether the router accepts the resource."""

EVALUATOR: Final = "lightrouter-evaluator"
"""Field manager of a candidate's state and evaluation."""
ROUTER: Final = "lightrouter-router"
"""Field manager of the condition Ready; all routers share it."""
DRIFT: Final = "lightrouter-drift"
"""Field manager of the condition Drifted.

It differs from `ROUTER`, because a router that has seen no drift must not remove what another one wrote."""

# A choice: a message stays readable, far below the 32,768 characters that a condition's message may have.
_MAX_FAULTS: Final = 10


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Whether the router accepts a resource, as the condition Ready says it.

    Attributes:
        reason: Accepted, Invalid, NameTaken or PoolFull.
        message: One sentence for each fault, without the value.
        drift: How the candidate left its own history in this router's traffic, in one sentence; empty: it did and is
            back; None: it never did.
    """

    reason: str
    message: str
    drift: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the candidate is in the pool."""
        return self.reason == "Accepted"


ACCEPTED: Final = Acceptance("Accepted", "the router uses it in the pool")


class ResourceError(ValueError):
    """A resource that describes no candidate. The text has one sentence for each fault, with its field."""


def parse(resource: Object, providers: Iterable[str] = PROVIDERS) -> PublicEntry:
    """Returns the entry that a resource's spec describes; its status is not applied.

    Raises:
        ResourceError: The spec is invalid.
    """
    spec = resource.get("spec")
    if not isinstance(spec, Mapping):
        raise ResourceError("spec: is required")
    values = {"name": _metadata(resource).get("name"), **spec}
    context = {"providers": frozenset(providers)}
    try:
        return PublicEntry.model_validate(values, context=context, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [
            f"{faults.field(('spec', *detail['loc']))}: {faults.sentence(detail, _keys)}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
    more = f" (and {len(found) - _MAX_FAULTS} more)" if len(found) > _MAX_FAULTS else ""
    raise ResourceError("; ".join(found[:_MAX_FAULTS]) + more)


def _keys(section: tuple[str | int, ...]) -> Collection[str]:
    model = PriceList if section else PublicEntry
    return [known.alias or name for name, known in model.model_fields.items()]


@dataclass(frozen=True, slots=True)
class ParsedResource:
    """A resource and what its content means.

    Attributes:
        resource: The resource as the API sent it.
        entry: The entry that its spec describes, or the reason why there is none.
        status: The candidate's status.
    """

    resource: Object
    entry: PublicEntry | ResourceError
    status: CandidateStatus

    @classmethod
    def of(cls, resource: Object) -> ParsedResource:
        """Parses a resource."""
        entry: PublicEntry | ResourceError
        try:
            entry = parse(resource)
        except ResourceError as error:
            entry = error
        return cls(resource, entry, status_of(resource))


@dataclass(slots=True)
class Resources:
    """The resources of a namespace by name, in their last known version, each parsed once.

    Attributes:
        judge: Name of the candidate that judges; ignored while the pool does not have it.
        synthesizer: Name of the candidate that merges; ignored while the pool does not have it.
        drifts: The drift of candidates by name, see `Acceptance.drift`.
        parsed: The resources by metadata.name.
    """

    judge: str | None = None
    synthesizer: str | None = None
    drifts: dict[str, str] = field(default_factory=dict)
    parsed: dict[str, ParsedResource] = field(default_factory=dict)

    def listed(self, resources: Iterable[Object]) -> Resources:
        """Returns a collection of these resources in place of the present ones, for the same candidates' drifts.

        Changes nothing here, so it may run in another thread. A resource with a known resourceVersion is not parsed
        again.
        """
        return replace(self, parsed={name_of(each): self._known(each) or ParsedResource.of(each) for each in resources})

    def _known(self, resource: Object) -> ParsedResource | None:
        known, version = self.parsed.get(name_of(resource)), version_of(resource)
        return known if known and version and version == version_of(known.resource) else None

    def forget_drifts(self) -> None:
        """Takes back the drifts that earlier routers wrote: their observations ended with them.

        A router that still runs and sees the drift writes it again.
        """
        for each in self.parsed.values():
            if each.status.drifted and each.status.drifted.holds:
                self.drifts.setdefault(candidate_of(each.resource), "")

    def pool(self) -> tuple[PublicPool, Mapping[str, Acceptance]]:
        """Returns the pool of the valid resources, and the acceptance of every resource by the resource's name."""
        entries: dict[str, PublicEntry] = {}
        held: dict[str, CandidateStatus] = {}
        acceptances: dict[str, Acceptance] = {}
        # The oldest resource keeps a name that two have, so that a new resource never replaces a candidate.
        for name, each in sorted(self.parsed.items(), key=_age):
            entry = each.entry
            if isinstance(entry, ResourceError):
                acceptances[name] = Acceptance("Invalid", str(entry))
            elif entry.name in entries:
                taken = f"spec.name: an older resource has the name {entry.name} already"
                acceptances[name] = Acceptance("NameTaken", taken)
            elif len(entries) >= MAX_CANDIDATES:
                acceptances[name] = Acceptance("PoolFull", f"the pool has {MAX_CANDIDATES} candidates already")
            else:
                entries[entry.name], held[entry.name] = entry, each.status
                acceptances[name] = replace(ACCEPTED, drift=self.drifts.get(entry.name))
        ordered = {name: entries[name] for name in sorted(entries)}
        judge, synthesizer = (name if name in entries else None for name in (self.judge, self.synthesizer))
        return statuses.overlaid(PublicPool(ordered, judge, synthesizer), held), acceptances

    def status(self) -> tuple[PoolStatus, Mapping[str, Object]]:
        """Returns the pool with its statuses, and the resource of each of its candidates by candidate name."""
        pool, acceptances = self.pool()
        taken = {candidate_of(each.resource): each for name, each in self.parsed.items() if acceptances[name].ready}
        status = PoolStatus.of(pool, {name: each.status for name, each in taken.items()})
        return status, {name: each.resource for name, each in taken.items()}


def status_of(resource: Object) -> CandidateStatus:
    """Returns the candidate's status that a resource holds."""
    return statuses.parse(_status(resource))


def evaluator_writes(resource: Object, wanted: CandidateStatus) -> Mapping[str, Object]:
    """Returns the parts of the status to apply, by field manager, so that it says `wanted`, which has a state.

    Empty if the status says so already. The parts must be applied in this order, each to the version before it: only
    after the last one does the status name `wanted.run`.
    """
    said = statuses.to_json(wanted)
    conditions = {condition["type"]: condition for condition in said["conditions"]}
    known = _conditions(resource)
    drifted = conditions.pop(DRIFTED, None)
    if DIVERSE in known:
        conditions.setdefault(DIVERSE, dict(known[DIVERSE]))
    said["conditions"] = list(conditions.values())
    parts: dict[str, Object] = {}
    if drifted and not drifted.items() <= known.get(DRIFTED, {}).items():
        parts[DRIFT] = {"conditions": [drifted]}
    if not _says(resource, said):
        parts[EVALUATOR] = said
    return parts


def router_writes(resource: Object, acceptance: Acceptance, now: str) -> Mapping[str, Object]:
    """Returns the parts of the status to apply, by field manager, so that it says `acceptance`.

    Empty if the status says so already.

    Args:
        resource: The resource in its last known version.
        acceptance: The acceptance to write.
        now: The time in RFC 3339.
    """
    known = _conditions(resource)
    generation = generation_of(resource)
    parts: dict[str, Object] = {}

    def part(manager: str, kind: str, status: str, reason: str, message: str, **more: Any) -> None:
        before = known.get(kind, {})
        said = {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}
        if not said.items() <= before.items():
            since = (before.get("lastTransitionTime") if before.get("status") == status else None) or now
            parts[manager] = {**more, "conditions": [said | {"lastTransitionTime": since}]}

    ready = "True" if acceptance.ready else "False"
    part(ROUTER, READY, ready, acceptance.reason, acceptance.message, observedGeneration=generation)
    if acceptance.drift:
        part(DRIFT, DRIFTED, "True", "OutOfItsHistory", acceptance.drift)
    elif acceptance.drift is not None and known.get(DRIFTED, {}).get("status") == "True":
        part(DRIFT, DRIFTED, "False", "Returned", "this router sees it within its own history again")
    return parts


def says_drift(resource: Object, acceptance: Acceptance) -> bool:
    """Returns whether the status has the drift of `acceptance`; true if there is none."""
    drifted = status_of(resource).drifted
    return not acceptance.drift or bool(drifted and drifted.holds)


def candidate_of(resource: Object) -> str:
    """Returns the name of the candidate that a resource describes."""
    return str(_mapping(resource, "spec").get("name") or name_of(resource))


def name_of(resource: Object) -> str:
    """Returns metadata.name."""
    return str(_metadata(resource).get("name", ""))


def version_of(resource: Object) -> str:
    """Returns metadata.resourceVersion, of a resource or of a list."""
    return str(_metadata(resource).get("resourceVersion", ""))


def generation_of(resource: Object) -> int:
    """Returns metadata.generation, which grows with each change of the spec."""
    return int(_metadata(resource).get("generation", 0))


def _says(resource: Object, said: Mapping[str, Any]) -> bool:
    """Returns whether a status has these fields and conditions."""
    current, known = _status(resource), _conditions(resource)
    return all(current.get(key) == value for key, value in said.items() if key != "conditions") and all(
        condition.items() <= known.get(condition["type"], {}).items() for condition in said["conditions"]
    )


def _conditions(resource: Object) -> Mapping[str, Mapping[str, Any]]:
    found = _status(resource).get("conditions")
    return {str(c.get("type")): c for c in found if isinstance(c, Mapping)} if isinstance(found, list) else {}


def _metadata(resource: Object) -> Mapping[str, Any]:
    return _mapping(resource, "metadata")


def _status(resource: Object) -> Mapping[str, Any]:
    return _mapping(resource, "status")


def _mapping(resource: Object, key: str) -> Mapping[str, Any]:
    value = resource.get(key)
    return value if isinstance(value, Mapping) else {}


def _age(item: tuple[str, ParsedResource]) -> tuple[str, str]:
    return str(_metadata(item[1].resource).get("creationTimestamp", "")), item[0]
