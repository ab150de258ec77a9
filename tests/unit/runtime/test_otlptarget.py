"""Where traces and metrics go: the services' settings, and OpenTelemetry's standard variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.runtime.otlptarget import Protocol, Signal, Target, TargetError, target

ALL = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
HTTP = {PROTOCOL: "http/protobuf"}
LANGFUSE = "https://cloud.langfuse.com/api/public/otel"


@pytest.mark.parametrize(
    ("signal", "endpoint", "protocol", "environment", "url"),
    [
        ("traces", None, None, {}, None),
        ("traces", None, None, {ALL: ""}, None),
        ("traces", "http://c:4317", None, {}, "http://c:4317"),
        ("traces", "http://c:4317/", None, {}, "http://c:4317"),
        ("traces", "http://[::1]:4317", None, {}, "http://[::1]:4317"),
        ("traces", "http://c", None, {}, "http://c"),
        ("traces", "http://own:4317", None, {ALL: "http://c:4317", TRACES: "http://t:4317"}, "http://own:4317"),
        ("metrics", "off", None, {ALL: "http://c:4317"}, None),
        ("metrics", None, None, {ALL: "http://c:4317"}, "http://c:4317"),
        ("metrics", None, None, {ALL: "http://c:4317", METRICS: "http://m:4317"}, "http://m:4317"),
        ("metrics", None, None, {TRACES: "http://t:4317"}, None),
        ("traces", None, None, {ALL: "c:4317"}, "https://c:4317"),
        ("traces", None, None, {ALL: "c:4317", "OTEL_EXPORTER_OTLP_INSECURE": "true"}, "http://c:4317"),
        ("traces", None, None, {ALL: LANGFUSE, **HTTP}, f"{LANGFUSE}/v1/traces"),
        ("metrics", None, None, {ALL: f"{LANGFUSE}/", **HTTP}, f"{LANGFUSE}/v1/metrics"),
        ("traces", LANGFUSE, "http/protobuf", {}, f"{LANGFUSE}/v1/traces"),
        ("traces", "http://c:4318", None, HTTP, "http://c:4318/v1/traces"),
        ("traces", "http://c:4317", "grpc", HTTP, "http://c:4317"),
        # The variable of one signal has the whole URL.
        ("traces", None, None, {TRACES: "http://c:4318/spans", **HTTP}, "http://c:4318/spans"),
        ("traces", None, None, {ALL: "http://c:4317", "OTEL_SDK_DISABLED": "true"}, None),
        ("traces", "http://c:4317", None, {"OTEL_SDK_DISABLED": "TRUE"}, None),
        ("traces", "http://c:4317", None, {"OTEL_SDK_DISABLED": "false"}, "http://c:4317"),
        ("metrics", None, None, {ALL: "http://c:4317", "OTEL_METRICS_EXPORTER": "none"}, None),
        ("traces", None, None, {ALL: "http://c:4317", "OTEL_METRICS_EXPORTER": "none"}, "http://c:4317"),
    ],
)
def test_a_signal_goes_where_settings_or_variables_say(
    signal: Signal, endpoint: str | None, protocol: Protocol | None, environment: dict[str, str], url: str | None
) -> None:
    found = target(signal, endpoint, protocol, environment)
    assert (found.url if found else None) == url
    if found:
        expected = protocol or environment.get(PROTOCOL, "grpc")
        assert found.protocol == expected


def test_a_protocol_may_be_one_signals() -> None:
    environment = {ALL: "http://c:9", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"}
    assert target("traces", None, None, environment) == Target("http://c:9", "grpc")
    assert target("metrics", None, None, environment) == Target("http://c:9/v1/metrics", "http/protobuf")


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        ("Authorization=Basic cGs6c2s=,x-version=4", {"authorization": "Basic cGs6c2s=", "x-version": "4"}),
        ("authorization=Bearer%20x, x-team = blue ,", {"authorization": "Bearer x", "x-team": "blue"}),
    ],
)  # fmt: skip
def test_headers_are_those_of_the_variables(given: str, headers: dict[str, str]) -> None:
    environment = {ALL: "http://c:4317", "OTEL_EXPORTER_OTLP_HEADERS": given}
    found = target("traces", None, None, environment)
    assert found
    assert found.headers == headers
    own = target("traces", None, None, environment | {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "own=1"})
    assert own
    assert own.headers == {"own": "1"}


def test_authorities_of_the_receiver_are_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.touch()
    environment = {ALL: "https://c:4317", "OTEL_EXPORTER_OTLP_CERTIFICATE": str(file)}
    found = target("traces", None, None, environment)
    assert found
    assert found.ca_file == str(file)
    file.unlink()
    with pytest.raises(TargetError, match=r"OTEL_EXPORTER_OTLP_CERTIFICATE is .*ca.crt, which is not a file"):
        target("traces", None, None, environment)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({ALL: "http://c:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT has port 4318, that of the protocol http/protobuf: give"),
        ({ALL: "http://c:4317", **HTTP}, "has port 4317, that of the protocol grpc: give port 4318"),
        ({TRACES: "http://c:4318"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT has port 4318"),
        ({ALL: LANGFUSE}, "has no path: leave it out, or use protocol http/protobuf"),
        ({ALL: "ftp://c:4317"}, "give http://HOST:PORT or https://HOST:PORT"),
        ({ALL: "c:4318", **HTTP}, "give http://HOST:PORT or https://HOST:PORT"),
        ({ALL: "http://:4317"}, "give http://HOST:PORT"),
        ({ALL: "http://c:0"}, "a port from 1 to 65535"),
        ({ALL: "http://c:65536"}, "a port from 1 to 65535"),
        ({ALL: "http://c:x"}, "a port from 1 to 65535"),
        ({ALL: "http://c:4318/?a=b", **HTTP}, "without a query"),
        ({ALL: "http://c d:4317"}, "give http://HOST:PORT"),
        ({ALL: "http://c:9", PROTOCOL: "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL is http/json: give grpc or http"),
        ({ALL: "http://c:9", PROTOCOL: "http"}, "give grpc or http/protobuf"),
    ],
)  # fmt: skip
def test_an_endpoint_that_cannot_work_is_refused_in_words(environment: dict[str, str], said: str) -> None:
    with pytest.raises(TargetError, match=said):
        target("traces", None, None, environment)


@pytest.mark.parametrize("given", ["secret", "a=b,secret", "a b=secret", "a=secret\x00"])
def test_wrong_headers_are_named_without_their_values(given: str) -> None:
    with pytest.raises(TargetError, match="OTEL_EXPORTER_OTLP_HEADERS is not a list") as refused:
        target("traces", None, None, {ALL: "http://c:4317", "OTEL_EXPORTER_OTLP_HEADERS": given})
    assert "secret" not in str(refused.value)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(TargetError, match="credentials in OTEL_EXPORTER_OTLP_HEADERS") as refused:
        target("traces", None, None, {ALL: "http://me:secret@c:4317"})
    assert "secret" not in str(refused.value)
