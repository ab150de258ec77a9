"""Finds where traces and metrics go: from a service's settings, else from OpenTelemetry's standard variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from opentelemetry.util.re import parse_env_headers

Protocol = Literal["grpc", "http/protobuf"]
Signal = Literal["traces", "metrics"]

_SCHEMES: Final = ("http", "https")
# The ports of OTLP that the other protocol has: https://opentelemetry.io/docs/specs/otlp/
_OTHERS_PORT: Final[Mapping[str, tuple[int, int]]] = {"grpc": (4318, 4317), "http/protobuf": (4317, 4318)}
_HEADER: Final = re.compile(r"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[ -~]*")


class TargetError(ValueError):
    """An endpoint, a protocol or headers that cannot work; the text names the setting and says what to do."""


@dataclass(frozen=True)
class Target:
    """Where one signal goes.

    Attributes:
        url: http://HOST:PORT or https://HOST:PORT; for http/protobuf the whole URL, path included.
        protocol: How OTLP is sent.
        headers: Sent with each export, by lower-case name.
        ca_file: File (PEM) of the authorities that certify the receiver; empty: the usual ones.
    """

    url: str
    protocol: Protocol = "grpc"
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""


def disabled(environment: Mapping[str, str]) -> bool:
    """Tells whether OTEL_SDK_DISABLED turns telemetry off."""
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def target(
    signal: Signal, endpoint: str | None, protocol: Protocol | None, environment: Mapping[str, str]
) -> Target | None:
    """Returns where a signal goes; None: nowhere.

    Args:
        signal: The signal.
        endpoint: The service's own setting, which has precedence; "off": nowhere.
        protocol: The service's own setting, which has precedence.
        environment: Has OpenTelemetry's variables, OTEL_...; an empty one counts as absent, as its specification says.

    Raises:
        TargetError: Endpoint, protocol or headers cannot work.
    """
    exporter = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
    if endpoint == "off" or disabled(environment) or (endpoint is None and exporter == "none"):
        return None
    protocol = protocol or _protocol(signal, environment)
    name, url = ("The OTLP endpoint", endpoint) if endpoint else _variable(signal, "ENDPOINT", environment)
    if not url:
        return None
    if not endpoint and "://" not in url and protocol == "grpc":
        # As other SDKs do: HOST:PORT, and a variable that says whether without TLS.
        _, insecure = _variable(signal, "INSECURE", environment)
        url = f"{'http' if insecure.lower() == 'true' else 'https'}://{url}"
    _check(name, url, protocol)
    if protocol == "grpc":
        url = url.rstrip("/")
    elif not name.endswith(f"_{signal.upper()}_ENDPOINT"):
        url = f"{url.rstrip('/')}/v1/{signal}"
    return Target(url, protocol, _headers(signal, environment), _ca_file(signal, environment))


def _variable(signal: Signal, name: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Returns the name and value of the signal's own variable, else of that for all signals."""
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        if value := environment.get(variable, "").strip():
            return variable, value
    return "", ""


def _protocol(signal: Signal, environment: Mapping[str, str]) -> Protocol:
    name, value = _variable(signal, "PROTOCOL", environment)
    for protocol in get_args(Protocol):
        if value in (protocol, ""):
            known: Protocol = protocol
            return known
    raise TargetError(f"{name} is {value}: give grpc or http/protobuf")


def _headers(signal: Signal, environment: Mapping[str, str]) -> Mapping[str, str]:
    name, value = _variable(signal, "HEADERS", environment)
    if any(part.strip() and not _HEADER.fullmatch(part) for part in value.split(",")):
        # The value may be a secret, so it is not part of the text.
        raise TargetError(f"{name} is not a list of headers: give NAME=VALUE,NAME=VALUE")
    return parse_env_headers(value, liberal=True)


def _ca_file(signal: Signal, environment: Mapping[str, str]) -> str:
    name, file = _variable(signal, "CERTIFICATE", environment)
    if file and not Path(file).is_file():
        raise TargetError(f"{name} is {file}, which is not a file: give the authorities' certificates (PEM)")
    return file


def _check(name: str, url: str, protocol: Protocol) -> None:
    """Raises TargetError for a URL to which this protocol cannot send."""
    form = "http://HOST:PORT or https://HOST:PORT"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TargetError(f"{name} is {url}: give {form} with a port from 1 to 65535") from None
    if parts.username is not None or parts.password is not None:
        raise TargetError(f"{name} has a user or password: give {form}, and credentials in OTEL_EXPORTER_OTLP_HEADERS")
    if parts.scheme not in _SCHEMES or not parts.hostname or parts.query or parts.fragment or re.search(r"\s", url):
        raise TargetError(f"{name} is {url.partition('?')[0]}: give {form}, without a query")
    if port == 0:
        raise TargetError(f"{name} is {url}: give {form} with a port from 1 to 65535")
    if protocol == "grpc" and parts.path not in ("", "/"):
        raise TargetError(f"{name} is {url}: OTLP over gRPC has no path: leave it out, or use protocol http/protobuf")
    wrong, right = _OTHERS_PORT[protocol]
    if port == wrong:
        other = next(each for each in get_args(Protocol) if each != protocol)
        raise TargetError(f"{name} has port {wrong}, that of the protocol {other}: give port {right} or that protocol")
