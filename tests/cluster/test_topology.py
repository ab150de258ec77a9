"""One process on a real cluster, and the ways to and from a Deployment per service, which fail no call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.cluster.release import NAME, Namespace, candidate, small
from tests.cluster.test_rollout import PACE, QUICK, RATE, assert_all_right, settled

pytestmark = [pytest.mark.timeout(1800), pytest.mark.load]

VALUES: dict[str, Any] = small(candidate("a", prior=0.7), candidate("b", prior=0.5), workload=QUICK)
SERVICES = {f"{NAME}-{name}" for name in ("router", "selector", "aggregator", "adapter-a", "adapter-b")}


@pytest.fixture(scope="module")
def single(new_namespace: Callable[[str], AbstractContextManager[Namespace]]) -> Iterator[Namespace]:
    """The suite with two pods, each of which runs all of it."""
    with new_namespace("topology") as given:
        given.provider("provider", *PACE)
        given.install({**VALUES, "topology": "single"})
        yield given


def deployments(given: Namespace) -> set[str]:
    """Returns the names of the release's Deployments."""
    found = given.get("deployments", f"--selector=app.kubernetes.io/instance={NAME}")["items"]
    return {each["metadata"]["name"] for each in found}


def test_one_process_answers_and_follows_its_candidates(single: Namespace) -> None:
    assert deployments(single) == {f"{NAME}-router"}
    single.test()
    answer = single.ask("What is it?")
    assert answer["text"].endswith("What is it?")
    assert {entry["candidate"] for entry in answer["ledger"]["entries"]} == {"a", "b"}
    single.kubectl("patch", "candidate", f"{NAME}-b", "--type=merge", '--patch={"spec": {"state": "evicted"}}')
    alone = single.ask("And without b?")
    assert {entry["candidate"] for entry in alone["ledger"]["entries"]} == {"a"}
    single.kubectl("patch", "candidate", f"{NAME}-b", "--type=merge", '--patch={"spec": {"state": "admitted"}}')


def test_a_switch_under_load_fails_no_call(single: Namespace) -> None:
    with single.load(RATE) as report:
        for topology in ("switching", "services", "switching", "single"):
            before = single.pods("router")
            single.install({**VALUES, "topology": topology})
            settled(single, "router", before.keys() - single.pods("router").keys())
            assert deployments(single) == ({f"{NAME}-router"} if topology == "single" else SERVICES)
        outcome = report()
    print(outcome)
    assert_all_right(outcome)
