"""No call fails while pods come and go: rolling updates and deletions under a constant load.

LOAD_RATE is the number of routes a second, for machines that hold fewer than twice the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.cluster.release import NAME, Namespace, candidate, small, until

pytestmark = [pytest.mark.timeout(1800), pytest.mark.load]

RATE = float(os.environ.get("LOAD_RATE", "10"))
PACE = ("--least=0.5", "--most=2")
QUICK: dict[str, Any] = {
    "replicas": 2,
    "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}},
    "rollout": {"minReadySeconds": 2},
    "drain": {"preStopSeconds": 3, "delaySeconds": 2},
}
"""Two pods of each component, and the chart's order of a rollout in less time than its defaults take."""


@pytest.fixture(scope="module")
def pair(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]],
) -> Iterator[tuple[Namespace, dict[str, Any]]]:
    """The suite with two pods of each component but of the adapter of `b`, which has one; and its values."""
    with new_namespace("rollout") as given:
        given.provider("provider", *PACE)
        values = small(candidate("a"), candidate("b", adapter={"replicas": 1}), candidate("c"), workload=QUICK)
        given.install(values)
        yield given, values


def assert_all_right(outcome: dict[str, Any]) -> None:
    """Every call was answered with its own answer, once."""
    assert outcome["calls"] > RATE, outcome
    assert outcome["failed"] == {}, outcome
    assert outcome["wrong"] == [], outcome
    assert outcome["right"] == outcome["calls"], outcome


def settled(given: Namespace, component: str, old: set[str]) -> None:
    """Waits until none of these pods is left, not even a pod that still finishes its calls."""
    selector = f"--selector=app.kubernetes.io/component={component}"

    def gone() -> bool:
        found = {pod["metadata"]["name"] for pod in given.get("pods", selector)["items"]}
        return not found & old

    until(gone, f"the old pods of {component} are gone")


def test_every_component_is_updated_under_load(pair: tuple[Namespace, dict[str, Any]]) -> None:
    given, values = pair
    with given.load(RATE) as report:
        for component in ("router", "selector", "aggregator", "adapter"):
            old = set(given.pods(component))
            values.setdefault(component, {})["podAnnotations"] = {"release": "next"}
            given.install(values)
            settled(given, component, old)
            assert not old & set(given.pods(component))
        outcome = report()
    print(outcome)
    assert_all_right(outcome)


def test_pods_are_deleted_under_load(pair: tuple[Namespace, dict[str, Any]]) -> None:
    given, _ = pair
    with given.load(RATE) as report:
        for component in ("router", "selector", "aggregator", "adapter"):
            pods = given.pods(component)
            # This adapter has no second replica: its candidate may be missing, the answer may not.
            names = [name for name in pods if component != "adapter" or "-adapter-b-" in name]
            given.kubectl("delete", "pod", names[0], "--wait=false")
            settled(given, component, {names[0]})
            given.kubectl("rollout", "status", f"deployment/{NAME}-{component}{'-b' * (component == 'adapter')}")
        outcome = report()
    print(outcome)
    assert_all_right(outcome)


def test_pods_that_are_killed_cost_no_answer(pair: tuple[Namespace, dict[str, Any]]) -> None:
    given, _ = pair
    with given.load(RATE) as report:
        for component in ("selector", "aggregator", "adapter"):
            name = next(name for name in given.pods(component) if component != "adapter" or "-adapter-a-" in name)
            given.kubectl("delete", "pod", name, "--grace-period=0", "--force")
            deployment = f"{NAME}-{component}{'-a' * (component == 'adapter')}"
            given.kubectl("rollout", "status", f"deployment/{deployment}")
        outcome = report()
    print(outcome)
    assert_all_right(outcome)
