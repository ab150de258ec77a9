"""The Candidate resource (lightrouter.dev/v1alpha1): from its JSON to an entry of the pool, and its faults.

A resource has the public part of the pool file's schema, in Kubernetes' camelCase:

| spec | pool file | |
| --- | --- | --- |
| name | name | default: metadata.name |
| provider | provider | |
| baseUrl | base_url | optional: only the adapter calls it |
| model | model | |
| continuation | continuation | |
| prices.input, prices.cachedInput, prices.output | prices.* | text, so that money is never a binary float |
| contextWindow | context_window | |
| maxBootTokens | max_boot_tokens | |
| fixedInputTokens | fixed_input_tokens | only the adapter has the instructions themselves |
| prior | prior | |
| state | state | holds until the evaluator has written status.state |
| address | address | |

Everything else of an entry, above all credentials, belongs to its adapter and is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from lightrouter.pool import standing
from lightrouter.pool.api import Object
from lightrouter.pool.file import MAX_CANDIDATES
from lightrouter.pool.schema import PROVIDERS, PublicEntry, PublicPool
from lightrouter.pool.standing import DRIFTED, Standing
from lightrouter.runtime import faults

GROUP: Final = "lightrouter.dev"
"""The resource's API group."""
VERSION: Final = "v1alpha1"
"""The version that the router reads."""
PLURAL: Final = "candidates"
"""The resource's name in URLs."""
READY: Final = "Ready"
"""Type of the condition that says whether the router uses the resource."""

_FIELDS: Final[Mapping[str, str]] = {
    "name": "name",
    "provider": "provider",
    "baseUrl": "base_url",
    "model": "model",
    "continuation": "continuation",
    "prices": "prices",
    "contextWindow": "context_window",
    "maxBootTokens": "max_boot_tokens",
    "fixedInputTokens": "fixed_input_tokens",
    "prior": "prior",
    "state": "state",
    "address": "address",
}
_PRICES: Final[Mapping[str, str]] = {"input": "input", "cachedInput": "cached_input", "output": "output"}
_CAMEL: Final = {snake: camel for table in (_FIELDS, _PRICES) for camel, snake in table.items()}
# A condition's message may have 32,768 characters; that is too long to read.
_MOST_FAULTS: Final = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """The router's verdict on a resource, as its condition says it.

    Attributes:
        reason: Accepted, Invalid, NameTaken or PoolFull.
        message: One sentence per fault, without the value.
        drift: How the candidate has departed from its own history in this router's traffic, in a sentence; empty if it
            has recovered; None if it never did.
    """

    reason: str
    message: str
    drift: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the candidate is in the pool."""
        return self.reason == "Accepted"


ACCEPTED: Final = Verdict("Accepted", "the router uses it in the pool")


class ResourceError(ValueError):
    """An invalid resource; its text has one sentence per fault, each with its field."""


def parse(resource: Object, providers: Iterable[str] = PROVIDERS) -> PublicEntry:
    """Returns the entry that a resource describes, without its status.

    Raises:
        ResourceError: It is invalid.
    """
    spec = resource.get("spec")
    if not isinstance(spec, Mapping):
        raise ResourceError("spec: is required")
    values, unknown = _renamed(spec, _FIELDS, "spec")
    prices = values.get("prices")
    if isinstance(prices, Mapping):
        values["prices"], more = _renamed(prices, _PRICES, "spec.prices")
        unknown += more
    values.setdefault("name", _metadata(resource).get("name"))
    said = unknown
    try:
        entry = PublicEntry.model_validate(values, context={"providers": frozenset(providers)})
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            path = ("spec", *(_CAMEL.get(str(part), part) for part in detail["loc"]))
            said.append(f"{faults.field(path)}: {faults.sentence(detail, lambda _: ())}")
    if said:
        more_faults = f" (and {len(said) - _MOST_FAULTS} more)" if len(said) > _MOST_FAULTS else ""
        raise ResourceError("; ".join(said[:_MOST_FAULTS]) + more_faults)
    return entry


@dataclass(slots=True)
class Resources:
    """The resources of a namespace by name, as last sent by the API.

    Attributes:
        judge: Name of the candidate that judges; ignored if the pool does not have it.
        synthesizer: Name of the candidate that merges; ignored if the pool does not have it.
        drifts: The drift to report by candidate, see `Verdict.drift`.
    """

    judge: str | None = None
    synthesizer: str | None = None
    objects: dict[str, Object] = field(default_factory=dict)
    """The resources by metadata.name."""
    drifts: dict[str, str] = field(default_factory=dict)

    def replace(self, resources: Iterable[Object]) -> None:
        """Replaces all resources by these."""
        self.objects = {name_of(resource): resource for resource in resources}

    def forget_drifts(self) -> None:
        """Withdraws the drift that earlier routers reported: their figures are lost.

        A router that still runs and sees the drift reports it again.
        """
        for resource in self.objects.values():
            remark = standing_of(resource).drifted
            if remark and remark.holds:
                self.drifts.setdefault(candidate_of(resource), "")

    def pool(self) -> tuple[PublicPool, Mapping[str, Verdict]]:
        """Returns the pool of the valid resources, by candidate name, and a verdict on each resource, by its name."""
        entries: dict[str, PublicEntry] = {}
        standings: dict[str, Standing] = {}
        verdicts: dict[str, Verdict] = {}
        # If two have the same name, the older one keeps it: a new resource harms no existing one.
        for name, resource in sorted(self.objects.items(), key=_age):
            try:
                entry = parse(resource)
            except ResourceError as error:
                verdicts[name] = Verdict("Invalid", str(error))
                continue
            if entry.name in entries:
                verdicts[name] = Verdict("NameTaken", f"spec.name: an older resource has the name {entry.name} already")
            elif len(entries) >= MAX_CANDIDATES:
                verdicts[name] = Verdict("PoolFull", f"the pool has {MAX_CANDIDATES} candidates already")
            else:
                entries[entry.name] = entry
                standings[entry.name] = standing_of(resource)
                verdicts[name] = replace(ACCEPTED, drift=self.drifts.get(entry.name))
        ordered = {name: entries[name] for name in sorted(entries)}
        judge, synthesizer = (name if name in entries else None for name in (self.judge, self.synthesizer))
        return standing.overlaid(PublicPool(ordered, judge, synthesizer), standings), verdicts


def standing_of(resource: Object) -> Standing:
    """Returns the candidate's standing from the status."""
    return standing.parse(_status(resource))


def standing_patch(resource: Object, wanted: Standing) -> dict[str, Any] | None:
    """Returns the merge patch that sets `wanted`, which has a state, in the status; None if it is set already.

    The patch fails with a conflict if the resource has changed meanwhile, so that no other write is lost.
    """
    current = _status(resource)
    status = standing.status_of(wanted, current.get("conditions"))
    if all(current.get(key) == value for key, value in status.items()):
        return None
    return {"metadata": {"resourceVersion": version_of(resource)}, "status": status}


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


def status_patch(resource: Object, verdict: Verdict, now: str) -> dict[str, Any] | None:
    """Returns the merge patch that sets `verdict` in the status, None if it is set already.

    The patch fails with a conflict if the resource has changed meanwhile, so that no other writer's condition is lost.

    Args:
        resource: The last known resource.
        verdict: The verdict to set.
        now: The time in RFC 3339.
    """
    conditions = {c.get("type"): c for c in _status(resource).get("conditions") or () if isinstance(c, Mapping)}
    generation = generation_of(resource)
    said = {READY: _condition(READY, "True" if verdict.ready else "False", verdict.reason, verdict.message)}
    if verdict.drift:
        said[DRIFTED] = _condition(DRIFTED, "True", "OutOfItsHistory", verdict.drift)
    elif verdict.drift is not None and conditions.get(DRIFTED, {}).get("status") == "True":
        said[DRIFTED] = _condition(DRIFTED, "False", "Returned", "this router sees it within its own history again")
    for condition in said.values():
        condition["observedGeneration"] = generation
    if all(condition.items() <= conditions.get(kind, {}).items() for kind, condition in said.items()):
        return None
    for kind, condition in said.items():
        before = conditions.get(kind, {})
        unchanged = before.get("status") == condition["status"]
        condition["lastTransitionTime"] = (before.get("lastTransitionTime") or now) if unchanged else now
    return {
        "metadata": {"resourceVersion": version_of(resource)},
        "status": {"observedGeneration": generation, "conditions": list((conditions | said).values())},
    }


def says_drift(resource: Object, verdict: Verdict) -> bool:
    """Returns whether the status has the verdict's drift; true if the verdict has none."""
    remark = standing_of(resource).drifted
    return not verdict.drift or bool(remark and remark.holds)


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _metadata(resource: Object) -> Mapping[str, Any]:
    return _mapping(resource, "metadata")


def _status(resource: Object) -> Mapping[str, Any]:
    return _mapping(resource, "status")


def _mapping(resource: Object, key: str) -> Mapping[str, Any]:
    value = resource.get(key)
    return value if isinstance(value, Mapping) else {}


def _age(item: tuple[str, Object]) -> tuple[str, str]:
    return str(_metadata(item[1]).get("creationTimestamp", "")), item[0]


def _renamed(section: Mapping[str, Any], table: Mapping[str, str], path: str) -> tuple[dict[str, Any], list[str]]:
    # Only by the table: a key in the file's spelling is unknown here, as in the resource's own schema.
    values = {table[key]: value for key, value in section.items() if key in table}
    unknown = [key for key in section if key not in table]
    return values, [f"{path}.{key[:64]}: is not a known key{faults.meant(key, table)}" for key in unknown]
