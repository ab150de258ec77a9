"""A service calls itself through its own listener to find out whether it still answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest

from lightrouter.runtime.addresses import target
from lightrouter.runtime.security.tls import TlsFiles, channel_credentials

if TYPE_CHECKING:
    from lightrouter.runtime.settings import ServiceSettings

_log = logging.getLogger(__name__)
_CHECK: Final = "/grpc.health.v1.Health/Check"
_EVERYWHERE: Final = frozenset({"0.0.0.0", "[::]", "*"})  # noqa: S104 - nothing is bound here
# Choices: a service that stopped answering ends within about ten seconds, and one slow call does not end it.
_PAUSE_SECONDS: Final = 3.0
_FAILURES: Final = 3
# Choices: a call has this many rounds of the event loop, and each lasts at least this many seconds. A timeout alone is
# not enough: if the loop is blocked, the answer is as late as the call.
_ROUNDS: Final = 20
_ROUND_SECONDS: Final = 0.25


class SilentServiceError(Exception):
    """The service no longer answers its own calls."""


class SelfCheck:
    """Calls the service at its own address every few seconds, each time over a new connection."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Uses the TLS settings of the service; trusts its certificate without checking the issuer.

        Raises:
            TlsError: The files of TLS cannot be used.
        """
        certificate = settings.tls_cert_file
        self._files = TlsFiles(certificate, settings.tls_key_file, certificate) if certificate else None

    async def watch(self, address: str) -> None:
        """Watches the service that is bound at `address`; never returns while it answers.

        If the first call fails, the check logs it and gives up: then the path to the service does not work, for example
        because the service does not accept its own certificate as a client certificate.

        Raises:
            SilentServiceError: The service has answered before and no longer does.
        """
        answered, failures = False, 0
        while failures < _FAILURES:
            if await self._answers(address):
                answered, failures = True, 0
            elif answered:
                failures += 1
            else:
                _log.warning(
                    "the service cannot call itself at %s, so it cannot detect that it no longer answers", address
                )
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise SilentServiceError(f"it no longer answers its own calls at {address}")

    async def _answers(self, address: str) -> bool:
        call = asyncio.ensure_future(self._call(address))
        try:
            for _ in range(_ROUNDS):
                await asyncio.wait((call,), timeout=_ROUND_SECONDS)
                if call.done():
                    return call.result()
            return False
        finally:
            call.cancel()

    async def _call(self, address: str) -> bool:
        async with self._channel(address) as channel:
            try:
                await _bare(channel)(HealthCheckRequest().SerializeToString())
            except grpc.aio.AioRpcError as error:
                # Any status is an answer.
                return error.code() is not grpc.StatusCode.UNAVAILABLE
            return True

    def _channel(self, address: str) -> grpc.aio.Channel:
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        to = target(_reachable(address))
        if self._files is None:
            return grpc.aio.insecure_channel(to, options=(*options, ("grpc.default_authority", "localhost")))
        material = self._files.current()
        named = ("grpc.ssl_target_name_override", _name(material.certificate or b""))
        return grpc.aio.secure_channel(to, channel_credentials(material), options=(*options, named))


def _bare(channel: grpc.aio.Channel) -> Callable[[bytes], Awaitable[bytes]]:
    return cast("Callable[[bytes], Awaitable[bytes]]", channel.unary_unary(_CHECK))


def _reachable(address: str) -> str:
    """Returns the address to call a service that listens at `address`; a wildcard address becomes the local host."""
    if address.startswith("unix:"):
        return address
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in _EVERYWHERE else address


def _name(certificate: bytes) -> str:
    """Returns a host name for which the certificate, in PEM, is valid."""
    # Imported here because it costs 0.25 s and 19 MB, which services without TLS need not pay.
    from cryptography import x509

    try:
        names = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (ValueError, x509.ExtensionNotFound):
        return "localhost"
    hosts = [
        *names.value.get_values_for_type(x509.DNSName),
        *map(str, names.value.get_values_for_type(x509.IPAddress)),
    ]
    return hosts[0].replace("*", "any", 1) if hosts else "localhost"
