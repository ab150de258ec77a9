"""A Candidate resource as an entry of the pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lightrouter.pool import resource as resources_module
from lightrouter.pool.choices import AbilityName, ContinuationStyle, Effort, State
from lightrouter.pool.file import MAX_CANDIDATES
from lightrouter.pool.prices import PriceList
from lightrouter.pool.resource import (
    ACCEPTED,
    DRIFT,
    EVALUATOR,
    ROUTER,
    Acceptance,
    ParsedResource,
    ResourceError,
    Resources,
    evaluator_writes,
    parse,
    router_writes,
)
from lightrouter.pool.schema import PublicEntry
from lightrouter.pool.status import DRIFTED, CandidateStatus
from tests.unit.pool.status_support import condition as condition_of
from tests.unit.pool.test_status import EVICTED

T1, T2, T3 = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (1, 2, 3))


def known(spec: Any, **status: Any) -> ParsedResource:
    return ParsedResource.of(resource(spec, **status))


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
        "abilities": ["tools", "json_schema"],
        "reasoningEfforts": ["low", "maximum"],
        "refuses": ["seed", "system role"],
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
        abilities=(AbilityName.TOOLS, AbilityName.JSON_SCHEMA),
        reasoning_efforts=(Effort.LOW, Effort.MAXIMUM),
        refuses=("seed", "system role"),
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
        (
            {"model": "m", "prices": {"tiers": [{"above": 9, "cached_input": "1"}]}},
            "spec.prices.tiers[0].cached_input: is not a known key; did you mean cachedInput?",
        ),
        (
            {"model": "m", "prices": {"tiers": [{"abve": 9}]}},
            "spec.prices.tiers[0].abve: is not a known key; did you mean above?",
        ),
        ({"model": "m", "apiKeyEnv": "KEY"}, "spec.apiKeyEnv: is not a known key"),
        ({"model": "m", "baseUrl": "http://u:secret@h"}, "spec.baseUrl: must not hold credentials"),
        ({"model": "m", "address": "a b"}, "spec.address: must be a gRPC target"),
        ({"model": "m", "name": "No.Name"}, "spec.name: must be 1 to 63 lower-case letters"),
        ({"model": "m", "provider": "other"}, "spec.provider: is not a known provider"),
        ({"model": "m", "state": "gone"}, "spec.state: must be 'admitted', 'probation' or 'evicted'"),
        ({"model": "m", "contextWindow": True}, "spec.contextWindow: must be a valid integer"),
    ],
)
def test_a_fault_is_named_with_its_field_and_without_its_value(spec: Any, said: str) -> None:
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
    resources = Resources().listed(resource({"model": "m"}, f"c{number:04}") for number in range(MAX_CANDIDATES + 1))
    pool, acceptances = resources.pool()
    assert len(pool.entries) == MAX_CANDIDATES
    assert [name for name, verdict in acceptances.items() if verdict.reason == "PoolFull"] == [f"c{MAX_CANDIDATES:04}"]


def router_says(found: Mapping[str, Any], manager: str) -> dict[str, Any]:
    (condition,) = found[manager]["conditions"]
    return dict(condition)


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    parts = router_writes(known({}), Acceptance("Invalid", "one"), T1)
    assert list(parts) == [ROUTER]
    assert parts[ROUTER]["observedGeneration"] == 3
    condition = router_says(parts, ROUTER)
    assert condition == {
        "type": "Ready",
        "status": "False",
        "reason": "Invalid",
        "message": "one",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-03-01T01:00:00Z",
    }
    said = known({}, conditions=[condition])
    assert not router_writes(said, Acceptance("Invalid", "one"), T2)
    other = router_writes(said, Acceptance("Invalid", "two"), T2)
    assert router_says(other, ROUTER)["lastTransitionTime"] == "2026-03-01T01:00:00Z"
    accepted = router_writes(said, ACCEPTED, T2)
    assert router_says(accepted, ROUTER)["lastTransitionTime"] == "2026-03-01T02:00:00Z"


def test_drift_stands_beside_what_others_say() -> None:
    """True while it drifts, False once it is back, and never a word on a candidate that has not drifted."""
    ready = router_says(router_writes(known({}), ACCEPTED, T1), ROUTER)
    admitted = {"type": "Admitted", "status": "True", "reason": "r", "message": "m", "lastTransitionTime": "T0"}
    before = known({}, conditions=[admitted, ready])
    assert not router_writes(before, replace(ACCEPTED, drift=""), T2)

    parts = router_writes(before, replace(ACCEPTED, drift="it fails"), T2)
    # Nothing is written of what others say, nor again of what the routers have said.
    assert list(parts) == [DRIFT]
    drift = router_says(parts, DRIFT)
    assert drift == {
        "type": "Drifted",
        "status": "True",
        "reason": "OutOfItsHistory",
        "message": "it fails",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-03-01T02:00:00Z",
    }
    drifted = known({}, conditions=[admitted, ready, drift])
    found = drifted.status.condition(DRIFTED)
    assert found is not None
    assert (found.status, found.message) == ("True", "it fails")
    # A router that has not seen the drift writes nothing.
    assert not router_writes(drifted, ACCEPTED, T3)
    back = router_says(router_writes(drifted, replace(ACCEPTED, drift=""), T3), DRIFT)
    assert (back["type"], back["status"], back["lastTransitionTime"]) == ("Drifted", "False", "2026-03-01T03:00:00Z")


def test_the_evaluator_writes_its_own_fields_alone() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Accepted", "message": ""}
    old = {"type": "Admitted", "status": "True", "reason": "old", "message": ""}
    diverse = {"type": "Diverse", "status": "True", "reason": "d", "message": "", "lastTransitionTime": "T0"}
    before = {"state": "admitted", "conditions": [ready, old, diverse]}
    status = CandidateStatus.model_validate(before)
    parts = evaluator_writes(status, EVICTED)
    assert list(parts) == [EVALUATOR]
    # The condition Diverse stays, although this status does not know it.
    assert [(each["type"], each["reason"]) for each in parts[EVALUATOR]["conditions"]] == [
        ("Admitted", "CrediblyWorse"),
        ("Diverse", "d"),
    ]
    said = CandidateStatus.model_validate(before | dict(parts[EVALUATOR]))
    assert not evaluator_writes(said, EVICTED)
    # A drift that is taken back is written first: the run's name, written last, says that all is there.
    back = condition_of(DRIFTED, False, "Evaluated", "it was evaluated anew")
    assert list(evaluator_writes(status, EVICTED.having(back))) == [DRIFT, EVALUATOR]
    assert list(evaluator_writes(said, EVICTED.having(back))) == [DRIFT]


def test_a_resource_is_parsed_once_in_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counted(found: Mapping[str, Any]) -> PublicEntry:
        parsed.append(found["metadata"]["resourceVersion"])
        return parse(found)

    monkeypatch.setattr(resources_module, "parse", counted)
    first = resource({"model": "m"})
    resources = Resources().listed([first])
    resources.pool()
    resources.pool()
    resources = resources.listed([resource({"model": "m"}), resource({"model": "m"}, "two")])
    assert parsed == ["7", "7"]
    newer = first | {"metadata": first["metadata"] | {"resourceVersion": "8"}}
    assert resources.listed([newer]).pool()[0].entries.keys() == {"one"}
    assert parsed == ["7", "7", "8"]
