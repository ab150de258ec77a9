"""The telemetry of the chart: endpoints and the Collector."""

from __future__ import annotations

from typing import Any

import yaml

from tests.chart.rendered import (
    COMPONENTS,
    egress,
    ports,
    render,
)
from tools.chart_helm import ROOT


def test_telemetry_goes_to_the_endpoint_or_to_the_collector() -> None:
    assert render().settings("router").otlp_endpoint is None
    telemetry = {"otlpEndpoint": "http://c:4317", "samplingRatio": 0.25, "captureText": True}
    given = render(telemetry={**telemetry, "resourceAttributes": {"a": "b"}})
    for component in COMPONENTS:
        settings = given.settings(component)
        assert (settings.otlp_endpoint, settings.sampling_ratio) == ("http://c:4317", 0.25)
        assert (settings.capture_text, settings.capture_text_characters) == (True, 2000)
        assert given.environment(component)["OTEL_RESOURCE_ATTRIBUTES"].endswith("service.namespace=here,a=b")
    own = render(collector={"enabled": True, "endpoint": "tempo:4317", "insecure": False})
    assert own.settings("router").otlp_endpoint == "http://lightrouter-collector.here.svc.cluster.local:4317"
    config = own.one("ConfigMap", "collector")["data"]["config.yaml"]
    assert "endpoint: tempo:4317" in config
    assert "insecure: false" in config
    assert own.one("Service", "collector")["spec"]["ports"][1]["port"] == 8889
    apart = render(telemetry={"otlpMetricsEndpoint": "http://m:4319", "metricsIntervalSeconds": 7})
    for component in COMPONENTS:
        settings = apart.settings(component)
        assert (settings.otlp_endpoint, settings.metrics_endpoint) == (None, "http://m:4319")
        assert settings.metrics_interval_seconds == 7
        assert "k8s.pod.name" in apart.environment(component)["OTEL_RESOURCE_ATTRIBUTES"]
        policy = component.partition("-")[0]
        assert any(ports(rule) == {4319} for rule in egress(apart, policy))
    off = render(collector={"enabled": True}, telemetry={"otlpMetricsEndpoint": "off"}).settings("router")
    assert (off.otlp_endpoint is None, off.metrics_endpoint) == (False, None)
    alone = render(collector={"enabled": True, "prometheus": False})
    assert "prometheus" not in alone.one("ConfigMap", "collector")["data"]["config.yaml"]


def collector_config(**values: object) -> dict[str, Any]:
    """Returns the Collector's configuration."""
    config = render(collector={"enabled": True, **values}).one("ConfigMap", "collector")["data"]["config.yaml"]
    return dict(yaml.safe_load(config))


def test_the_collector_keeps_what_the_compose_file_s_keeps() -> None:
    composed = yaml.safe_load((ROOT / "deploy/collector/config.yaml").read_text(encoding="utf-8"))
    config = collector_config()
    assert config["processors"] == composed["processors"]
    assert [pipeline["processors"] for pipeline in config["service"]["pipelines"].values()] == [
        pipeline["processors"] for pipeline in composed["service"]["pipelines"].values()
    ]
    image = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]["collector"]["image"]
    assert render(collector={"enabled": True}).container("collector")["image"] == image


def test_what_the_collector_keeps_is_a_matter_of_values() -> None:
    sampling = collector_config(
        tailSampling={"percentage": 2.5, "slowMilliseconds": 500, "waitSeconds": 30, "traces": 100}
    )["processors"]["tail_sampling"]
    policies = {policy["name"]: policy for policy in sampling["policies"]}
    assert policies["slow"]["latency"] == {"threshold_ms": 500}
    assert policies["share"]["probabilistic"] == {"sampling_percentage": 2.5}
    assert (sampling["decision_wait"], sampling["num_traces"]) == ("30s", 100)
    every = collector_config(tailSampling={"enabled": False})
    assert "tail_sampling" not in every["processors"]
    assert every["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "batch"]
