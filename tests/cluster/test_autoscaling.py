"""HorizontalPodAutoscalers at work: up under load, down again, and new pods that really get calls."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.cluster.release import NAME, Namespace, candidate, small, until

pytestmark = [pytest.mark.timeout(1800), pytest.mark.load]

SCALED = ("router", "adapter-a")
LEAST, MOST = 1, 3
FAIR_SHARE = 0.1
"""Of the calls that come once all pods are there, each pod must get at least this share; even would be a third."""


@pytest.fixture(scope="module")
def jaeger_url() -> str:
    if url := os.environ.get("JAEGER_URL"):
        return url.rstrip("/")
    pytest.fail("JAEGER_URL names no Jaeger, whose traces tell which router had which share of the calls")


def autoscaled(cpu: str) -> dict[str, Any]:
    """Returns the values of a workload that scales within seconds, from `cpu` requested for each pod."""
    quick = {"stabilizationWindowSeconds": 10, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 5}]}
    behavior = {"scaleUp": {**quick, "stabilizationWindowSeconds": 0}, "scaleDown": quick}
    bounds = {"minReplicas": LEAST, "maxReplicas": MOST, "targetCPUUtilizationPercentage": 60}
    return {
        "autoscaling": {"enabled": True, **bounds, "behavior": behavior},
        "resources": {"requests": {"cpu": cpu, "memory": "96Mi"}},
        "rollout": {"minReadySeconds": 0},
        "drain": {"preStopSeconds": 2, "delaySeconds": 1},
    }


def replicas(namespace: Namespace, deployment: str) -> int:
    """Returns how many pods of a Deployment are ready."""
    status = namespace.get("deployment", f"{NAME}-{deployment}")["status"]
    return int(status.get("readyReplicas", 0))


def routes_by_pod(url: str, namespace: str, since: float) -> Counter[str]:
    """Returns how many routes Jaeger has since then, on the wall clock, by the pod of the router."""
    tags = json.dumps({"k8s.namespace.name": namespace})
    query = {
        "service": "lightrouter-router",
        "operation": "route",
        "limit": 1500,
        "start": round(since * 1e6),
        "tags": tags,
    }
    with urllib.request.urlopen(f"{url}/api/traces?{urlencode(query)}", timeout=300) as reply:
        traces = json.load(reply)["data"]
    pods: Counter[str] = Counter()
    for trace in traces:
        for span in trace["spans"]:
            if span["operationName"] == "route":
                process = {tag["key"]: tag["value"] for tag in trace["processes"][span["processID"]]["tags"]}
                pods[process["k8s.pod.name"]] += 1
    return pods


def test_router_and_one_adapter_scale_with_the_load(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]], jaeger_url: str
) -> None:
    otlp = os.environ.get("JAEGER_OTLP", f"http://{urlsplit(jaeger_url).hostname}:4317")
    with new_namespace("scale") as given:
        given.provider("provider", "--least=0.1", "--most=0.3")
        values = small(candidate("a", adapter=autoscaled("20m")), candidate("b"))
        values["router"] |= autoscaled("20m")
        values |= {"settings": {"maxConnectionAgeSeconds": 5}, "telemetry": {"otlpEndpoint": otlp}}
        given.install(values)
        # A busy machine may have scaled them while they started.
        until(lambda: all(replicas(given, name) == LEAST for name in SCALED), "all are as small as they may be")
        with given.load(rate=10) as report:
            until(lambda: all(replicas(given, name) == MOST for name in SCALED), "all are scaled up")
            scaled = time.time()
            until(lambda: len(routes_by_pod(jaeger_url, given.name, scaled)) == MOST, "each router has had a call")
            before, since = Counter(given.seen()["clients"]), time.time()
            until(lambda: routes_by_pod(jaeger_url, given.name, since).total() > 100, "a hundred calls more")
            outcome = report()
        adapters = Counter(given.seen()["clients"]) - before
        routers = routes_by_pod(jaeger_url, given.name, since)
        shares = f"calls by adapter of either candidate: {adapters}, by router: {routers}"
        assert outcome["failed"] == {}, outcome
        assert outcome["wrong"] == []
        assert len(routers) == MOST, shares
        assert min(routers.values()) > FAIR_SHARE * routers.total(), shares
        assert len(adapters) == MOST + 1, shares
        assert min(adapters.values()) > FAIR_SHARE / 2 * adapters.total(), shares
        until(lambda: all(replicas(given, name) == LEAST for name in SCALED), "all are scaled down")
