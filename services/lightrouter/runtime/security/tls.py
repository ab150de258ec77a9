"""TLS of a service: its certificate and its trusted authorities, read again when the files change."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc

from lightrouter.runtime.files import FileContentError, WatchedFiles

if TYPE_CHECKING:
    from lightrouter.runtime.settings import ServiceSettings

# A choice: at most three files are checked a second, for any number of connections.
_RECHECK_SECONDS: Final = 1.0


class TlsError(FileContentError):
    """TLS files that cannot be used; the text is one sentence that names the file."""


@dataclass(frozen=True, slots=True)
class Material:
    """The content of the files, in PEM; None for a file that is not set."""

    certificate: bytes | None = None
    key: bytes | None = None
    authorities: bytes | None = None


class TlsFiles:
    """A certificate with its key, and authorities; a change that cannot be used leaves the last good content."""

    def __init__(
        self,
        certificate: Path | None = None,
        key: Path | None = None,
        authorities: Path | None = None,
        recheck_seconds: float = 0.0,
    ) -> None:
        """Reads the files; `current` looks for changes at most every `recheck_seconds`.

        Raises:
            TlsError: The files cannot be used.
        """
        self._certificate = certificate
        self._key = key
        self._authorities = authorities
        paths = [path for path in (certificate, key, authorities) if path is not None]
        self._watched = WatchedFiles("files of TLS", paths, self._read, recheck_seconds)

    def current(self) -> Material:
        """Returns the content of the files; the same object until they change."""
        return self._watched.current()

    def _read(self) -> Material:
        material = Material(_bytes(self._certificate), _bytes(self._key), _bytes(self._authorities))
        if self._certificate is not None:
            # gRPC accepts a key of another certificate without an error, and every handshake fails.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                context.load_cert_chain(self._certificate, self._key, password="")
            except (ssl.SSLError, OSError, ValueError) as error:
                reason = getattr(error, "reason", None) or "no certificate and key in PEM"
                raise TlsError(f"{self._certificate} and {self._key} are no pair: {reason}") from None
        if self._authorities is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(self._authorities)
            except (ssl.SSLError, OSError):
                raise TlsError(f"{self._authorities}: holds no certificate in PEM") from None
        return material


def _bytes(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path}: cannot be read: {error.strerror}") from None


def server_credentials(settings: ServiceSettings) -> grpc.ServerCredentials | None:
    """Returns the server's credentials; None if the settings have no TLS.

    Raises:
        TlsError: The files cannot be used.
    """
    if settings.tls_cert_file is None:
        return None
    files = TlsFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    told = files.current()

    def configuration(material: Material) -> grpc.ServerCertificateConfiguration:
        pair = (material.key or b"", material.certificate or b"")
        return grpc.ssl_server_certificate_configuration([pair], material.authorities)

    def changed() -> Any:
        # gRPC calls this for each handshake, in a thread of its own; None keeps the current configuration.
        nonlocal told
        material = files.current()
        if material is told:
            return None
        told = material
        return configuration(material)

    return grpc.dynamic_ssl_server_credentials(
        configuration(told), changed, require_client_authentication=settings.tls_client_ca_file is not None
    )


def client_files(settings: ServiceSettings) -> TlsFiles | None:
    """Returns the TLS files for calls to other services; None if they go without TLS.

    Raises:
        TlsError: The files cannot be used.
    """
    if settings.tls_ca_file is None:
        return None
    # Each call reads this, so the files are checked at most once a second (a choice).
    files = (settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file)
    return TlsFiles(*files, recheck_seconds=_RECHECK_SECONDS)


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """Returns the credentials of a channel."""
    return grpc.ssl_channel_credentials(material.authorities, material.key, material.certificate)
