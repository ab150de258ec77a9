"""A service calls itself, through its own listener, and so knows whether it still answers."""

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
_PAUSE_SECONDS: Final = 3.0
_FAILURES: Final = 3
# A call has this many rounds of the event loop, each of which lasts at least so long. Time alone would not do: where
# the loop is held up, the answer is as late as the call.
_ROUNDS: Final = 20
_ROUND_SECONDS: Final = 0.25


class SilentServiceError(Exception):
    """The service does not answer its own calls."""


class SelfCheck:
    """Calls the service at its own address, every few seconds over a new connection."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Knows what the service shows and asks for; the certificate is trusted as it is, whoever has signed it.

        Raises:
            TlsError: The files of TLS cannot be used.
        """
        certificate = settings.tls_cert_file
        self._files = TlsFiles(certificate, settings.tls_key_file, certificate) if certificate else None

    async def watch(self, address: str) -> None:
        """Returns never while the service at `address`, as it is bound, answers.

        A service that has never answered itself is left alone: then it is the way that does not work, for example
        because its own certificate is not one that it asks of its callers.

        Raises:
            SilentServiceError: It has answered, and does so no longer.
        """
        answered, failures = False, 0
        while failures < _FAILURES:
            if await self._answers(address):
                answered, failures = True, 0
            elif answered:
                failures += 1
            else:
                _log.warning("the service cannot call itself at %s, so nobody notices if it falls silent", address)
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise SilentServiceError(f"it does not answer its own calls at {address} any more")

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
                # Whatever else it says, somebody has said it.
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
    """Returns where a service is called that listens at `address`, which may stand for every address of the machine."""
    if address.startswith("unix:"):
        return address
    host, _, port = address.rpartition(":")
    return f"localhost:{port}" if host in _EVERYWHERE else address


def _name(certificate: bytes) -> str:
    """Returns a name that the certificate, in PEM, is good for."""
    # It costs a quarter of a second and 19 MB, which only those with TLS pay.
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
