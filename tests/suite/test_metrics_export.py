"""A Collector that is absent, hangs or refuses changes neither answers nor the end of a service, and is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.resources import Resource

from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry import instruments as i
from lightrouter.runtime.otlptarget import Target
from lightrouter.runtime.telemetry.metrics import Metrics, Tally, otlp_reader
from lightrouter.runtime.telemetry.setup import open_telemetry
from tests.rpc.router_suite import RouterSuite
from tests.suite.otlp import in_prometheus, receiver
from tests.suite.up_support import until
from tests.unit.router.builders import prompt

Behaviour = Callable[[bytes, grpc.ServicerContext], bytes]


def refuses(_: bytes, context: grpc.ServicerContext) -> bytes:
    """As a Jaeger does, which takes traces alone."""
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown service")
    raise AssertionError


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Serves OTLP's metrics with `behaviour`; yields the endpoint."""
    server = grpc.server(ThreadPoolExecutor(2))
    method: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(behaviour)
    service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None)


@pytest.fixture(params=["absent", "hangs", "refuses"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "absent":
        yield "http://127.0.0.1:9"
        return
    over = threading.Event()

    def hangs(_: bytes, context: grpc.ServicerContext) -> bytes:
        over.wait()
        return b""

    with serving(hangs if request.param == "hangs" else refuses) as served:
        yield served
        over.set()


async def test_requests_are_answered_and_the_service_ends(endpoint: str) -> None:
    failures: list[int] = []
    reader = otlp_reader(Target(endpoint), 0.02, lambda: failures.append(1))
    async with RouterSuite(reader=reader) as suite:
        for _ in range(20):
            answer = (await suite.complete(prompt())).answer
            assert answer.text
            assert not answer.degraded
    # The suite has ended, and with it the export; the last one may still be told that it failed.
    until("the failure is counted", lambda: failures)


def test_the_last_metrics_are_exported_at_the_end() -> None:
    with receiver() as (address, received):
        reader = otlp_reader(Target(f"http://{address}"), 3600, pytest.fail)
        metrics = Metrics(Resource.create({"service.name": "test"}), reader)
        tally = Tally(i.REQUESTS).report(metrics.meter("1"))
        tally.add(3, "ok", "")
        metrics.shutdown()
    assert in_prometheus(received.metrics)["lightrouter_route_requests_total"]["lightrouter_outcome"] == {"ok"}


@pytest.mark.parametrize(
    ("settings", "exported"),
    [({}, True), ({"otlp_metrics_endpoint": "off"}, False), ({"otlp_endpoint": None}, False)],
    ids=["both", "traces alone", "nothing"],
)
def test_metrics_go_where_the_settings_say(tmp_path: Path, settings: dict[str, object], exported: bool) -> None:
    with receiver() as (address, received):
        values = {"otlp_endpoint": f"http://{address}", "pool": tmp_path, "selector_address": "s"}
        told = RouterSettings.model_validate(values | {"aggregator_address": "a"} | settings)
        telemetry = open_telemetry("test", told, {})
        assert telemetry.measures == exported
        telemetry.shutdown()
    assert bool(received.metrics) == exported


def test_metrics_may_go_elsewhere_than_traces(tmp_path: Path) -> None:
    with receiver() as (address, received):
        values = {"pool": tmp_path, "selector_address": "s", "aggregator_address": "a"}
        told = RouterSettings.model_validate(values | {"otlp_metrics_endpoint": f"http://{address}"})
        telemetry = open_telemetry("test", told, {})
        telemetry.shutdown()
    exported = in_prometheus(received.metrics)
    assert exported["lightrouter_telemetry_dropped_total"]["lightrouter_signal"] == {"spans", "metrics"}
