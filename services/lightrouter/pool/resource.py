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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from lightrouter.pool.file import MAX_CANDIDATES
from lightrouter.pool.schema import PublicEntry, PublicPool
from lightrouter.pool.status import DIVERSE, DRIFTED, CandidateStatus, PoolStatus, Truth, overlaid
from lightrouter.runtime import faults

Object = Mapping[str, Any]
"""A resource, or a list of resources, as the API sends it."""

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
_keys: Final = faults.keys_of(PublicEntry, by_alias=True)


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


def parse(resource: Object) -> PublicEntry:
    """Returns the entry that a resource's spec describes; its status is not applied.

    Raises:
        ResourceError: The spec is invalid.
    """
    spec = resource.get("spec")
    if not isinstance(spec, Mapping):
        raise ResourceError("spec: is required")
    values = {"name": _mapping(resource, "metadata").get("name"), **spec}
    try:
        return PublicEntry.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        found = [
            f"{faults.field(('spec', *detail['loc']))}: {faults.sentence(detail, _keys)}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
    more = f" (and {len(found) - _MAX_FAULTS} more)" if len(found) > _MAX_FAULTS else ""
    raise ResourceError("; ".join(found[:_MAX_FAULTS]) + more)


@dataclass(frozen=True, slots=True)
class ParsedResource:
    """A resource's content.

    Attributes:
        name: metadata.name.
        version: metadata.resourceVersion.
        generation: metadata.generation, which grows with each change of the spec.
        created: metadata.creationTimestamp.
        candidate: The name of the candidate that it describes.
        entry: The entry that its spec describes, or the reason why there is none.
        status: The candidate's status.
    """

    name: str
    version: str
    generation: int
    created: str
    candidate: str
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
        name, metadata = name_of(resource), _mapping(resource, "metadata")
        status = CandidateStatus.model_validate(_mapping(resource, "status"))
        # Made now, in the thread that parses: the event loop asks for those of all resources at once.
        _ = status.evaluation
        return cls(
            name=name,
            version=version_of(resource),
            generation=int(metadata.get("generation", 0)),
            created=str(metadata.get("creationTimestamp", "")),
            candidate=str(_mapping(resource, "spec").get("name") or name),
            entry=entry,
            status=status,
        )


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
        return known if known and version and version == known.version else None

    def forget_drifts(self) -> None:
        """Takes back the drifts that earlier routers wrote: their observations ended with them.

        A router that still runs and sees the drift writes it again.
        """
        for each in self.parsed.values():
            if each.status.holds(DRIFTED):
                self.drifts.setdefault(each.candidate, "")

    def pool(self) -> tuple[PublicPool, Mapping[str, Acceptance]]:
        """Returns the pool of the valid resources, and the acceptance of every resource by the resource's name."""
        entries: dict[str, PublicEntry] = {}
        held: dict[str, CandidateStatus] = {}
        acceptances: dict[str, Acceptance] = {}
        # The oldest resource keeps a name that two have, so that a new resource never replaces a candidate.
        for name, each in sorted(self.parsed.items(), key=lambda item: (item[1].created, item[0])):
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
        return overlaid(PublicPool(ordered, judge, synthesizer), held), acceptances

    def status(self) -> tuple[PoolStatus, Mapping[str, ParsedResource]]:
        """Returns the pool with its statuses, and the resource of each of its candidates by candidate name."""
        pool, acceptances = self.pool()
        taken = {each.candidate: each for name, each in self.parsed.items() if acceptances[name].ready}
        return PoolStatus.of(pool, {name: each.status for name, each in taken.items()}), taken


def evaluator_writes(known: CandidateStatus, wanted: CandidateStatus) -> Mapping[str, Object]:
    """Returns the parts of the status to apply, by field manager, so that `known` becomes `wanted`.

    Empty if `known` says so already. The parts must be applied in this order, each to the version before it: only
    after the last one does the status name the evaluation.
    """
    diverse = known.condition(DIVERSE)
    if diverse and not wanted.condition(DIVERSE):
        wanted = wanted.having(diverse)
    before, after = known.to_json(), wanted.to_json()
    parts: dict[str, Object] = {}
    if (drifted := _taken(after, DRIFTED)) and drifted != _taken(before, DRIFTED):
        parts[DRIFT] = {"conditions": [drifted]}
    if after != before:
        parts[EVALUATOR] = after
    return parts


def _taken(status: dict[str, Any], kind: str) -> Object | None:
    """Takes the condition of type `kind` out of a status."""
    found = next((each for each in status["conditions"] if each["type"] == kind), None)
    status["conditions"] = [each for each in status["conditions"] if each is not found]
    return found


def router_writes(known: ParsedResource, acceptance: Acceptance, now: datetime) -> Mapping[str, Object]:
    """Returns the parts of the status to apply, by field manager, so that it says `acceptance`.

    Empty if the status says so already.

    Args:
        known: The resource in its last known version.
        acceptance: The acceptance to write.
        now: The time.
    """
    generation = known.generation
    parts: dict[str, Object] = {}

    def part(manager: str, kind: str, status: Truth, reason: str, message: str, **more: Any) -> None:
        said = known.status.next_condition(kind, status, reason, message, now)
        said = said.model_copy(update={"observed_generation": generation})
        if said != known.status.condition(kind):
            parts[manager] = {**more, "conditions": [said.model_dump(by_alias=True)]}

    part(
        ROUTER,
        READY,
        "True" if acceptance.ready else "False",
        acceptance.reason,
        acceptance.message,
        observedGeneration=generation,
    )
    if acceptance.drift:
        part(DRIFT, DRIFTED, "True", "OutOfItsHistory", acceptance.drift)
    elif acceptance.drift is not None and known.status.holds(DRIFTED):
        part(DRIFT, DRIFTED, "False", "Returned", "this router sees it within its own history again")
    return parts


def name_of(resource: Object) -> str:
    """Returns metadata.name."""
    return str(_mapping(resource, "metadata").get("name", ""))


def version_of(resource: Object) -> str:
    """Returns metadata.resourceVersion, of a resource or of a list."""
    return str(_mapping(resource, "metadata").get("resourceVersion", ""))


def _mapping(resource: Object, key: str) -> Mapping[str, Any]:
    value = resource.get(key)
    return value if isinstance(value, Mapping) else {}
