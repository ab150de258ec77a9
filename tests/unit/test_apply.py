"""The test API's server-side apply, by the rules of Kubernetes."""

from __future__ import annotations

import pytest

from tests.upstreams.apply import ApplyConflictError, Owners, apply, owned_by_update


def condition(kind: str, status: str) -> dict[str, str]:
    return {"type": kind, "status": status}


def test_each_manager_keeps_its_own_items_of_a_list() -> None:
    owners: Owners = {}
    status, owners = apply({}, owners, "router", {"conditions": [condition("Ready", "True")]}, force=False)
    status, owners = apply(status, owners, "drift", {"n": 1, "conditions": [condition("Drifted", "True")]}, force=False)
    assert status == {"n": 1, "conditions": [condition("Ready", "True"), condition("Drifted", "True")]}
    # What a manager no longer applies goes, and nothing of the other's.
    status, owners = apply(status, owners, "drift", {"n": 1}, force=False)
    assert status == {"n": 1, "conditions": [condition("Ready", "True")]}
    assert owners["drift"] == {("n",)}


def test_another_manager_s_value_is_a_conflict_unless_it_is_forced() -> None:
    status, owners = apply({}, {}, "a", {"state": "admitted"}, force=False)
    with pytest.raises(ApplyConflictError):
        apply(status, owners, "b", {"state": "evicted"}, force=False)
    # The same value is owned by both, and stays until neither applies it.
    shared, both = apply(status, owners, "b", {"state": "admitted"}, force=False)
    assert set(both) == {"a", "b"}
    assert apply(shared, both, "a", {}, force=False)[0] == {"state": "admitted"}
    taken, owners = apply(status, owners, "b", {"state": "evicted"}, force=True)
    assert (taken, set(owners)) == ({"state": "evicted"}, {"b"})


def test_an_update_owns_what_it_changes() -> None:
    owners = owned_by_update({}, {"state": "admitted", "score": 1}, {}, "person")
    status, owners = apply({"state": "admitted", "score": 1}, owners, "evaluator", {"score": 0.5}, force=True)
    assert owners == {"person": {("state",)}, "evaluator": {("score",)}}
    assert apply(status, owners, "evaluator", {}, force=True)[0] == {"state": "admitted"}
