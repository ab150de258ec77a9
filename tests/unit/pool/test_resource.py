"""A Candidate resource as an entry of the pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lightrouter.pool.file import MAX_CANDIDATES
from lightrouter.pool.resource import ACCEPTED, ResourceError, Resources, Verdict, parse, standing_of, status_patch
from lightrouter.pool.schema import ContinuationStyle, PriceList, PublicEntry, State


def resource(spec: Any, name: str = "one", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "generation": 3, "resourceVersion": "7"}, "spec": spec, "status": status}


def test_every_field_has_its_place() -> None:
    spec = {
        "name": "fast",
        "provider": "openai",
        "baseUrl": "http://h/v1/",
        "model": "m",
        "continuation": "raw",
        "prices": {"input": "0.15", "cachedInput": "0.075", "output": "0.60"},
        "contextWindow": 131072,
        "maxBootTokens": 400,
        "fixedInputTokens": 30,
        "prior": 1,
        "state": "probation",
        "address": "dns:///fast:50051",
    }
    assert parse(resource(spec)) == PublicEntry.model_construct(
        name="fast",
        provider="openai",
        base_url="http://h/v1",
        model="m",
        continuation=ContinuationStyle.RAW,
        prices=PriceList.model_construct(input=150_000_000, cached_input=75_000_000, output=600_000_000),
        context_window=131072,
        max_boot_tokens=400,
        fixed_input_tokens=30,
        prior=1.0,
        state=State.PROBATION,
        address="dns:///fast:50051",
    )
    assert set(PublicEntry.model_fields) == set(parse(resource(spec)).model_fields_set)


def test_the_model_is_enough() -> None:
    entry = parse(resource({"model": "m"}))
    assert (entry.name, entry.state, entry.target("dns:///a-{name}")) == ("one", State.ADMITTED, "dns:///a-one")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (None, "spec: is required"),
        ([], "spec: is required"),
        ({}, "spec.model: is required"),
        ({"model": "m", "prior": 2}, "spec.prior: must be less than or equal to 1"),
        ({"model": "m", "prior": float("nan")}, "spec.prior: must be a finite number"),
        ({"model": "m", "prior": "0.5"}, "spec.prior: must be a valid number"),
        ({"model": "m", "prices": {"cachedInput": 0.1}}, "spec.prices.cachedInput: must be US dollars per million"),
        ({"model": "m", "prices": {"cached_input": "1"}}, "spec.prices.cached_input: is not a known key; did you mean"),
        ({"model": "m", "prices": 1}, "spec.prices: must be a mapping of keys to values"),
        ({"model": "m", "base_url": "http://h"}, "spec.base_url: is not a known key; did you mean baseUrl?"),
        ({"model": "m", "apiKeyEnv": "KEY"}, "spec.apiKeyEnv: is not a known key"),
        ({"model": "m", "baseUrl": "http://u:secret@h"}, "spec.baseUrl: must not hold credentials"),
        ({"model": "m", "address": "a b"}, "spec.address: must be a gRPC target"),
        ({"model": "m", "name": "No.Name"}, "spec.name: must be 1 to 63 lower-case letters"),
        ({"model": "m", "provider": "other"}, "spec.provider: is not a known provider"),
        ({"model": "m", "state": "gone"}, "spec.state: must be 'admitted', 'probation' or 'evicted'"),
        ({"model": "m", "contextWindow": True}, "spec.contextWindow: must be a valid integer"),
    ],
)
def test_what_is_wrong_is_said_with_its_field_and_without_its_value(spec: Any, said: str) -> None:
    with pytest.raises(ResourceError) as caught:
        parse(resource(spec))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_many_faults_stay_one_message() -> None:
    with pytest.raises(ResourceError, match=r"and 91 more") as caught:
        parse(resource({f"key{number}": 0 for number in range(100)}))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("state", ["gone", 7, {}, None])
def test_a_state_that_nobody_knows_is_not_obeyed(state: Any) -> None:
    assert parse(resource({"model": "m", "state": "probation"}, state=state)).state is State.PROBATION


def test_a_pool_has_its_bound() -> None:
    resources = Resources()
    resources.replace(resource({"model": "m"}, f"c{number:04}") for number in range(MAX_CANDIDATES + 1))
    pool, verdicts = resources.pool()
    assert len(pool.entries) == MAX_CANDIDATES
    assert [name for name, verdict in verdicts.items() if verdict.reason == "PoolFull"] == [f"c{MAX_CANDIDATES:04}"]


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    patch = status_patch(resource({}), Verdict("Invalid", "one"), "T1")
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "7"}
    (condition,) = patch["status"]["conditions"]
    assert condition == {
        "type": "Ready",
        "status": "False",
        "reason": "Invalid",
        "message": "one",
        "observedGeneration": 3,
        "lastTransitionTime": "T1",
    }
    said = resource({}, conditions=[condition])
    assert status_patch(said, Verdict("Invalid", "one"), "T2") is None
    other = status_patch(said, Verdict("Invalid", "two"), "T2")
    assert other is not None
    assert other["status"]["conditions"][0]["lastTransitionTime"] == "T1"
    accepted = status_patch(said, ACCEPTED, "T2")
    assert accepted is not None
    assert accepted["status"]["conditions"][0]["lastTransitionTime"] == "T2"


def test_drift_stands_beside_what_others_say() -> None:
    """True while it drifts, False once it is back, and never a word on a candidate that has not drifted."""
    ready = status_patch(resource({}), ACCEPTED, "T1")
    assert ready is not None
    admitted = {"type": "Admitted", "status": "True", "reason": "r", "message": "m", "lastTransitionTime": "T0"}
    known = resource({}, conditions=[admitted, *ready["status"]["conditions"]])
    assert status_patch(known, replace(ACCEPTED, drift=""), "T2") is None

    patch = status_patch(known, replace(ACCEPTED, drift="it fails"), "T2")
    assert patch is not None
    conditions = {each["type"]: each for each in patch["status"]["conditions"]}
    assert list(conditions) == ["Admitted", "Ready", "Drifted"]
    assert conditions["Admitted"] == admitted
    assert conditions["Ready"]["lastTransitionTime"] == "T1"
    assert conditions["Drifted"] == {
        "type": "Drifted",
        "status": "True",
        "reason": "OutOfItsHistory",
        "message": "it fails",
        "observedGeneration": 3,
        "lastTransitionTime": "T2",
    }
    drifted = resource({}, conditions=list(conditions.values()))
    found = standing_of(drifted).drifted
    assert found is not None
    assert (found.holds, found.message) == (True, "it fails")
    assert status_patch(drifted, ACCEPTED, "T3") is None
    back = status_patch(drifted, replace(ACCEPTED, drift=""), "T3")
    assert back is not None
    last = back["status"]["conditions"][-1]
    assert (last["type"], last["status"], last["lastTransitionTime"]) == ("Drifted", "False", "T3")
