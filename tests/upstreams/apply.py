"""Server-side apply as Kubernetes does it, for objects whose lists are maps by one key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Path = tuple[str | tuple[str, str], ...]
Owners = dict[str, frozenset[Path]]
"""The fields that each field manager owns."""

LIST_KEYS = {"conditions": "type", "categories": "category"}
"""The key of each list that is a map, as the resource definition says."""


class ApplyConflictError(Exception):
    """Another manager owns a field with another value."""


def apply(
    current: Mapping[str, Any], owners: Owners, manager: str, wanted: Mapping[str, Any], *, force: bool
) -> tuple[dict[str, Any], Owners]:
    """Returns what an object is after `manager` has applied `wanted` to it, and who owns what then.

    Raises:
        ApplyConflictError: A field has another value of another manager, and `force` is not given.
    """
    before, applied = _fields(current), _fields(wanted)
    others = {name: owned for name, owned in owners.items() if name != manager}
    taken = {path for path, value in applied.items() if before.get(path, value) != value}
    if not force and any(taken & owned for owned in others.values()):
        raise ApplyConflictError
    others = {name: rest for name, owned in others.items() if (rest := owned - taken)}
    # A field goes when the manager owned it, no longer applies it, and no other manager owns it.
    gone = owners.get(manager, frozenset()) - applied.keys() - frozenset().union(*others.values())
    merged = {path: value for path, value in before.items() if path not in gone} | applied
    return _object(merged), others | {manager: frozenset(applied)}


def owned_by_update(current: Mapping[str, Any], changed: Mapping[str, Any], owners: Owners, manager: str) -> Owners:
    """Returns who owns what after `manager` has put `changed` in the place of `current`, as an update does."""
    before, after = _fields(current), _fields(changed)
    own = {path for path, value in after.items() if path not in before or before[path] != value}
    rest = {name: (owned & after.keys()) - own for name, owned in owners.items()}
    return {**rest, manager: frozenset(own) | rest.get(manager, frozenset())}


def _fields(value: Mapping[str, Any], path: Path = ()) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for key, each in value.items():
        if key in LIST_KEYS:
            for item in each:
                place = (*path, key, (LIST_KEYS[key], item[LIST_KEYS[key]]))
                found |= {place: None} | _fields(item, place)
        elif isinstance(each, dict):
            found |= _fields(each, (*path, key))
        else:
            found[*path, key] = each
    return found


def _object(fields: Mapping[Path, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, value in fields.items():
        at: Any = made
        for part, inner in zip(path, (*path[1:], None), strict=True):
            if isinstance(part, tuple):
                key, name = part
                item = next((each for each in at if each[key] == name), None)
                if item is None:
                    at.append(item := {key: name})
                at = item
            elif inner is None:
                at[part] = value
            else:
                at = at.setdefault(part, [] if isinstance(inner, tuple) else {})
    return made
