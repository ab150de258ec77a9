"""Settings of the services: flags over environment variables over a YAML file over defaults."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from lightrouter.runtime import enums
from lightrouter.runtime.addresses import is_host_and_port
from lightrouter.runtime.document import DocumentError, parse
from lightrouter.runtime.faults import keys_of, meant, sentence
from lightrouter.runtime.otlptarget import Protocol, TargetError, target


class InvalidSettingError(Exception):
    """An invalid setting, which stops the start; its text is one sentence that names the setting."""


def _address(value: str) -> str:
    if value.startswith("unix:"):
        if is_host_and_port(value):
            msg = f"could be a host or a unix socket; write unix:./{value.removeprefix('unix:')} for the socket"
            raise ValueError(msg)
        return value
    host, colon, port = value.rpartition(":")
    # A number behind unix-abstract: is a port to all but gRPC.
    if value.startswith("unix-abstract:") or not colon or not host or not port.isdecimal() or int(port) > 65535:
        msg = "must be HOST:PORT or unix:PATH"
        raise ValueError(msg)
    return value


Address = Annotated[str, AfterValidator(_address)]
"""A server's listen address: HOST:PORT, with port 0 for any free one, or unix:PATH."""


class OneOf:
    """The check that a setting is the label of a value of an enum; the setting's JSON schema lists the labels."""

    def __init__(self, enum: enums.Enumeration) -> None:
        """Takes the enum."""
        self._labels = enums.labels(enum)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Returns the schema by which pydantic validates."""
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Returns the JSON schema."""
        return {**handler(core), "enum": list(self._labels)}

    def _check(self, name: str) -> str:
        if name not in self._labels:
            msg = f"must be one of {', '.join(self._labels)}"
            raise ValueError(msg)
        return name


ADAPTER_ADDRESS: Final = "dns:///adapter-{name}:50051"
"""Default gRPC target of adapters; {name} stands for the candidate's name."""
SUITE_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Maximum bytes of a message between services: a caller's request with everything that candidates wrote for it. A
choice: four times the router's limit for callers."""


class ServiceSettings(BaseSettings):
    """Settings of every service. Each is a flag, an environment variable and a key of the YAML file.

    Default numbers without a named source are choices.
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_exit_on_error=False,
        nested_model_default_partial_update=True,
    )

    listen: Address = "127.0.0.1:0"
    """HOST:PORT or unix:PATH to listen on; port 0 picks a free one."""
    ready_file: Path | None = None
    """File to which the service writes its bound address once it serves."""
    reflection: bool = True
    """Whether clients may ask the server for its protos (gRPC reflection)."""
    health_listen: Address | None = None
    """HOST:PORT or unix:PATH that serves only health, without TLS, for probes that do not support TLS."""
    tls_cert_file: Path | None = None
    """Certificate chain (PEM) for callers and, if they require one, for other services; needs tls_key_file. Reloaded
    when it changes, like all TLS files."""
    tls_key_file: Path | None = None
    """Private key (PEM) of tls_cert_file."""
    tls_client_ca_file: Path | None = None
    """Authorities (PEM) that must have signed callers' certificates; default: callers need none."""
    tls_allowed_identities: str = ""
    """DNS names and URIs (SPIFFE), separated by commas; a caller's certificate must have one of them. * stands for any
    text. Empty: every certificate of tls_client_ca_file's authorities is accepted."""
    tls_ca_file: Path | None = None
    """Authorities (PEM) that certify other services; default: they are called without TLS, as unix:PATH always is."""
    drain_delay_seconds: float = Field(default=0, ge=0, le=600)
    """Seconds after SIGTERM during which calls are accepted while health is NOT_SERVING, so that clients can move
    away."""
    grace_seconds: float = Field(default=30.0, ge=0, le=3600)
    """Seconds that running calls get to finish after SIGTERM."""
    max_concurrent_calls: int = Field(default=1000, ge=1)
    """Maximum concurrent calls; more are refused with RESOURCE_EXHAUSTED."""
    max_message_bytes: int = Field(default=SUITE_MESSAGE_BYTES, ge=1024)
    """Maximum bytes of a received message."""
    max_bytes_in_flight: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Maximum bytes of concurrent requests, counted separately for requests up to 64 KiB and larger ones; more are
    refused with RESOURCE_EXHAUSTED."""
    max_metadata_bytes: int = Field(default=16 * 1024, ge=1024)
    """Maximum bytes of received metadata."""
    max_connection_age_seconds: float = Field(default=0, ge=0)
    """Seconds after which clients must reconnect, so that new replicas get traffic; 0: never."""
    default_deadline_seconds: float = Field(default=120.0, gt=0, le=86400)
    """Deadline of a call without one, in seconds."""
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s?#@]+$")
    """OTLP endpoint for traces and metrics, http://HOST:PORT or https://HOST:PORT; http/protobuf may have a path, to
    which /v1/traces and /v1/metrics are added. Default: OTEL_EXPORTER_OTLP_ENDPOINT, else no telemetry."""
    otlp_metrics_endpoint: str | None = Field(default=None, pattern=r"^(https?://[^\s?#@]+|off)$")
    """OTLP endpoint for metrics, if different from otlp_endpoint; off: no metrics, for Jaeger and Langfuse, which
    accept none."""
    otlp_protocol: Protocol | None = None
    """Protocol of both endpoints: grpc or http/protobuf. Default: OTEL_EXPORTER_OTLP_PROTOCOL, else grpc. Headers, such
    as an authorization, come from OTEL_EXPORTER_OTLP_HEADERS."""
    metrics_interval_seconds: float = Field(default=15, gt=0, le=3600)
    """Seconds between two exports of the metrics."""
    sampling_ratio: float | None = Field(default=None, ge=0, le=1)
    """Share of requests that are traced, 0 to 1, if the caller has not decided. Default: OTEL_TRACES_SAMPLER, else
    1."""
    capture_text: bool = False
    """Whether traces contain the text of prompts and answers. Readers of the traces can then read them."""
    capture_text_characters: int = Field(default=2000, ge=1, le=100_000)
    """Maximum characters of a prompt, and of an answer, in a span with capture_text."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level of logged lines."""
    log_format: Literal["json", "console"] = "json"
    """Format of the log: json for machines, console for people."""

    @property
    def metrics_endpoint(self) -> str | None:
        """The OTLP endpoint for metrics, "off" for none; None if the settings name none."""
        return self.otlp_metrics_endpoint or self.otlp_endpoint

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("--tls-cert-file and --tls-key-file go together: give both, or neither")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("--tls-client-ca-file needs --tls-cert-file and --tls-key-file: both sides show one")
        if self.tls_allowed_identities and self.tls_client_ca_file is None:
            raise ValueError("--tls-allowed-identities needs --tls-client-ca-file: else callers show no certificate")
        if self.tls_cert_file is not None and self.listen.startswith("unix:"):
            raise ValueError("--tls-cert-file is for --listen HOST:PORT; a unix socket has no TLS")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Gives the environment precedence over the file's values, which `load` has read."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


class AskingSettings(ServiceSettings):
    """More settings of a service that calls models which a request names."""

    adapter_address: str = ADAPTER_ADDRESS
    """gRPC targets of adapters that a request may name, separated by spaces: {name} stands for the candidate's name, *
    for any text. Others are refused with INVALID_ARGUMENT."""


SettingsType = TypeVar("SettingsType", bound=ServiceSettings)


def load(settings_class: type[SettingsType], argv: Sequence[str] | None = None) -> SettingsType:
    """Returns the settings from `argv`, the environment and the file that `--config` names.

    Exits with status 2 and one sentence on standard error if one of them is wrong.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return read(settings_class, arguments, os.environ)
    except InvalidSettingError as fault:
        sys.stderr.write(f"{command(settings_class)}: {fault}\n")
        raise SystemExit(2) from None


def read(settings_class: type[SettingsType], arguments: Sequence[str], environment: Mapping[str, str]) -> SettingsType:
    """Returns the settings from these arguments, this environment and the file that `--config` names.

    Raises:
        InvalidSettingError: A key is unknown, or a value is invalid.
    """
    flags, config = _split_config(arguments)
    # argparse knows a setting of one letter by one dash.
    flags = [re.sub(r"^--(?=\w(=|$))", "-", flag) for flag in flags]
    _refuse_unknown(settings_class, environment)
    values = _file_values(settings_class, config) if config else {}
    try:
        source: CliSettingsSource[SettingsType] = CliSettingsSource(
            settings_class,
            cli_parse_args=flags,
            cli_hide_none_type=True,
            cli_prog_name=command(settings_class),
        )
        build: Callable[..., SettingsType] = settings_class
        settings = build(_cli_settings_source=source, **values)
        target("traces", settings.otlp_endpoint, settings.otlp_protocol, environment)
        target("metrics", settings.metrics_endpoint, settings.otlp_protocol, environment)
        return settings
    except TargetError as error:
        raise InvalidSettingError(str(error)) from None
    except SettingsError as error:
        message = _one_line(str(error.__cause__ or error).removeprefix("error parsing CLI: "))
        if unknown := re.fullmatch(r"unrecognized arguments: --([\w-]+).*", message):
            message += meant(unknown[1], [name.replace("_", "-") for name in settings_class.model_fields], "--")
        raise InvalidSettingError(message) from None
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            # Settings that conflict; the sentence names them.
            raise InvalidSettingError(first["msg"].removeprefix("Value error, ")) from None
        key = ".".join(str(part) for part in first["loc"])
        flag = "--" + key.replace("_", "-")
        given = "" if first["type"] in {"missing", "extra_forbidden"} else f", got {first['input']!r}"
        message = sentence(first, keys_of(settings_class))
        raise InvalidSettingError(
            f"setting {key} ({flag}, {_prefix(settings_class)}{key.upper()}): {message}{given}"
        ) from None


def _prefix(settings_class: type[ServiceSettings]) -> str:
    return settings_class.model_config.get("env_prefix") or ""


def command(settings_class: type[ServiceSettings]) -> str:
    """Returns the command that runs the service with these settings."""
    return f"lightrouter serve {_prefix(settings_class).removeprefix('LIGHTROUTER_').rstrip('_').lower()}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _split_config(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    flags: list[str] = []
    config: Path | None = None
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name != "--config":
            flags.append(argument)
            continue
        path = value if equals else next(rest, None)
        if not path:
            raise InvalidSettingError("flag --config needs a file")
        config = Path(path)
    return flags, config


def _refuse_unknown(settings_class: type[ServiceSettings], environment: Mapping[str, str]) -> None:
    prefix = _prefix(settings_class)
    known = {name.upper() for name in settings_class.model_fields}
    for name in environment:
        if prefix and name.startswith(prefix) and (rest := name.removeprefix(prefix)) not in known:
            raise InvalidSettingError(f"environment variable {name} is not a setting{meant(rest, known, prefix)}")


def _file_values(settings_class: type[ServiceSettings], path: Path) -> dict[str, object]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidSettingError(f"settings file {path} cannot be read: {error.strerror}") from None
    try:
        values = parse(data).value
    except DocumentError as error:
        key = ".".join(map(str, error.path))
        place = f"settings file {path}:{error.line}: {key}".rstrip(": ")
        raise InvalidSettingError(f"{place}: {error.message}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InvalidSettingError(f"settings file {path} must hold keys and values")
    known = list(settings_class.model_fields)
    for key in values:
        if key not in known:
            raise InvalidSettingError(f"settings file {path}: {key} is not a setting{meant(str(key), known)}")
    return {key: _native(value) for key, value in values.items()}


def _native(value: object) -> object:
    """Returns a value with the number types of settings: decimals become floats."""
    if isinstance(value, dict):
        return {key: _native(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_native(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value
