"""The chart of the last release on a real cluster, and the upgrade from it, as docs/how-to/upgrade.md says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from lightrouter.cli.__main__ import run as command
from tests.cluster.release import CHART, NAME, Namespace, candidate, small
from tests.cluster.test_rollout import PACE, QUICK, RATE, assert_all_right, settled
from tools.chart_helm import ROOT

pytestmark = [pytest.mark.timeout(1800), pytest.mark.load]

OLDER = ROOT / "tests" / "chart" / "older" / "lightrouter-0.1.0.tgz"
DEFINITION = "candidates.lightrouter.dev"
VALUES: dict[str, Any] = small(candidate("a", prior=0.7), candidate("b", prior=0.5), workload=QUICK)


def states(given: Namespace) -> dict[str, str]:
    """Returns the state that the status of each Candidate says, by name."""
    found = given.get("candidates")["items"]
    return {each["metadata"]["name"]: each.get("status", {}).get("state", "") for each in found}


def test_an_upgrade_of_the_last_release_fails_no_call_and_keeps_what_evaluations_found(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]],
) -> None:
    with new_namespace("upgrade") as given:
        given.provider("provider", *PACE)
        # The cluster has the definition of Candidates already, which other releases use.
        given.install(VALUES, "--skip-crds", chart=OLDER)
        assert command(["pool", "evict", "b", "--namespace", given.name]) == 0
        assert states(given) == {"a": "", "b": "evicted"}
        with given.load(RATE) as report:
            before = given.pods("router")
            given.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={CHART / 'crds'}")
            given.helm("upgrade", NAME, str(CHART), "--reuse-values", "--wait")
            settled(given, "router", before.keys() - given.pods("router").keys())
            outcome = report()
        assert_all_right(outcome)
        assert states(given) == {"a": "", "b": "evicted"}
        given.test()
        answer = given.ask("What is it?")
        assert {entry["candidate"] for entry in answer["ledger"]["entries"]} == {"a"}


def test_a_release_may_own_the_definition_of_candidates(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]],
) -> None:
    with new_namespace("definition") as given:
        given.provider()
        given.install(VALUES)
        try:
            given.helm("upgrade", NAME, str(CHART), "--reuse-values", "--set=crds.enabled=true", "--take-ownership")
            annotations = given.get("crd", DEFINITION)["metadata"]["annotations"]
            assert annotations["meta.helm.sh/release-name"] == NAME
            given.helm("uninstall", NAME, "--wait")
            assert given.get("crd", DEFINITION)["spec"]
        finally:
            given.kubectl(
                "annotate", "crd", DEFINITION, *(f"meta.helm.sh/release-{key}-" for key in ("name", "namespace"))
            )
