"""The telemetry of the chart: where it goes, and what reads it."""

from __future__ import annotations

import yaml

from lightrouter.runtime.otlptarget import Target, target
from tests.chart.rendered import (
    COMPONENTS,
    egress,
    ports,
    render,
)
from tests.chart.test_upgrade import SET
from tools.chart_helm import ROOT


def test_telemetry_goes_to_the_endpoint() -> None:
    assert render().settings("router").otlp_endpoint is None
    telemetry = {"otlpEndpoint": "http://c:4317", "samplingRatio": 0.25, "captureText": True}
    given = render(telemetry={**telemetry, "resourceAttributes": {"a": "b"}})
    for component in COMPONENTS:
        settings = given.settings(component)
        assert (settings.otlp_endpoint, settings.sampling_ratio) == ("http://c:4317", 0.25)
        assert (settings.capture_text, settings.capture_text_characters) == (True, 2000)
        assert given.environment(component)["OTEL_RESOURCE_ATTRIBUTES"].endswith("service.namespace=here,a=b")
    apart = render(telemetry={"otlpMetricsEndpoint": "http://m:4319", "metricsIntervalSeconds": 7})
    for component in COMPONENTS:
        settings = apart.settings(component)
        assert (settings.otlp_endpoint, settings.metrics_endpoint) == (None, "http://m:4319")
        assert settings.metrics_interval_seconds == 7
        assert "k8s.pod.name" in apart.environment(component)["OTEL_RESOURCE_ATTRIBUTES"]
        policy = component.partition("-")[0]
        assert any(ports(rule) == {4319} for rule in egress(apart, policy))
    off = render(telemetry={"otlpEndpoint": "http://c:4317", "otlpMetricsEndpoint": "off"}).settings("router")
    assert (off.otlp_endpoint, off.metrics_endpoint) == ("http://c:4317", "off")


def test_telemetry_goes_over_http_with_headers_from_a_secret() -> None:
    headers = {
        "name": "OTEL_EXPORTER_OTLP_HEADERS",
        "valueFrom": {"secretKeyRef": {"name": "langfuse", "key": "headers"}},
    }
    telemetry = {"otlpEndpoint": "https://l.example/api/public/otel", "otlpProtocol": "http/protobuf"}
    given = render(
        telemetry={**telemetry, "otlpMetricsEndpoint": "off"},
        workload={"extraEnv": [headers]},
        evaluator=SET["evaluator"],
    )
    for component in COMPONENTS:
        settings = given.settings(component)
        assert (settings.otlp_endpoint, settings.otlp_protocol) == tuple(telemetry.values())
        assert headers in given.container(component)["env"]
        # A backend outside the cluster may have any address.
        assert {"ports": [{"protocol": "TCP", "port": 443}]} in egress(given, component.partition("-")[0])
    pod = given.one("CronJob", "evaluator")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert headers in pod["containers"][0]["env"]
    assert environment["OTEL_METRICS_EXPORTER"] == "none"
    assert not any(name.startswith("LIGHTROUTER_") for name in environment)
    reached = target("traces", None, None, {name: value for name, value in environment.items() if value})
    assert reached == Target("https://l.example/api/public/otel/v1/traces", "http/protobuf")


def test_standard_variables_are_enough() -> None:
    extra = [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://c.otel:4319"}]
    given = render(workload={"extraEnv": extra})
    for component in COMPONENTS:
        assert given.settings(component).otlp_endpoint is None
        assert "k8s.pod.name" in given.environment(component)["OTEL_RESOURCE_ATTRIBUTES"]
        assert any(ports(rule) == {4319} for rule in egress(given, component.partition("-")[0]))


def test_alerts_and_dashboard_are_those_of_the_repository() -> None:
    assert not render().all("PrometheusRule")
    on = {"prometheusRule": {"enabled": True, "labels": {"release": "p"}}, "dashboard": {"enabled": True}}
    given = render(monitoring=on)
    rule, dashboard = given.one("PrometheusRule", "monitoring"), given.one("ConfigMap", "monitoring-dashboard")
    assert rule["metadata"]["labels"]["release"] == "p"
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text(encoding="utf-8"))
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    shown = (ROOT / "deploy/grafana/dashboards/lightrouter.json").read_text(encoding="utf-8")
    assert dashboard["data"]["lightrouter.json"] == shown
