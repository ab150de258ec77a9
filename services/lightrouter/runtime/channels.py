"""Client channels to other services, one a target."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import grpc

from lightrouter.runtime.tls import Material, TlsFiles, channel_credentials

StubType = TypeVar("StubType")

_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")
# Calls over a channel whose certificate was replaced may end by themselves; the longest may take as long as this.
_RETIRED_SECONDS: Final = 3600.0


def target(address: str) -> str:
    """Returns the gRPC target of an address; HOST:PORT is resolved by DNS, every address of it used."""
    return address if address.startswith(_SCHEMES) else f"dns:///{address}"


class Channels:
    """Open channels by address; created when first asked for, and anew when the files of TLS have changed."""

    def __init__(
        self, max_message_bytes: int = 16 * 1024 * 1024, tls: TlsFiles | None = None, server_name: str = ""
    ) -> None:
        """Bounds each message, sent or received, to `max_message_bytes`; `tls` is used for all but unix sockets.

        `server_name` is the name that certificates must have, where it is not the address's.
        """
        self._server_name = server_name
        self._tls = tls
        self._material: Material | None = tls.current() if tls else None
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._stubs: dict[tuple[str, Callable[[grpc.aio.Channel], Any]], Any] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._options = (
            ("grpc.service_config", _ROUND_ROBIN),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # Despite its name the time that one attempt to connect may take; a busy machine needs more than a moment.
            ("grpc.min_reconnect_backoff_ms", 5_000),
            # A service that is back after a kill is found within a second, however long it was away.
            ("grpc.max_reconnect_backoff_ms", 1_000),
            # By default names are resolved every 30 s at most, in which a rolling update may end all addresses known.
            ("grpc.dns_min_time_between_resolutions_ms", 1_000),
            # A unix socket's path is no host name, and servers refuse it as one.
            ("grpc.default_authority", "localhost"),
        )

    def get(self, address: str) -> grpc.aio.Channel:
        """Returns the channel to `address`: HOST:PORT, unix:PATH or a gRPC target. For calls that begin now."""
        if self._tls and (material := self._tls.current()) is not self._material:
            self._material = material
            self._retire()
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = self._open(address)
        return channel

    async def connected(self, address: str) -> None:
        """Returns once there is a connection to `address`, so that the first call does not wait for that."""
        await self.get(address).channel_ready()

    def stub(self, address: str, make: Callable[[grpc.aio.Channel], StubType]) -> StubType:
        """Returns the stub that `make` makes of the channel to `address`. For calls that begin now."""
        channel = self.get(address)
        stub = self._stubs.get((address, make))
        if stub is None:
            stub = self._stubs[address, make] = make(channel)
        return cast("StubType", stub)

    async def close(self) -> None:
        """Closes every channel; running calls are cancelled."""
        channels = list(self._channels.values())
        self._channels.clear()
        self._stubs.clear()
        for channel in channels:
            await channel.close()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def _open(self, address: str) -> grpc.aio.Channel:
        if address.startswith("unix"):
            return grpc.aio.insecure_channel(target(address), options=self._options)
        options = self._options[:-1]
        if self._material is None:
            return grpc.aio.insecure_channel(target(address), options=options)
        named = (("grpc.ssl_target_name_override", self._server_name),) if self._server_name else ()
        credentials = channel_credentials(self._material)
        return grpc.aio.secure_channel(target(address), credentials, options=(*options, *named))

    def _retire(self) -> None:
        # A certificate is shown when a connection is made: those that there are go on with the old one.
        retired = [address for address in self._channels if not address.startswith("unix")]
        for address in retired:
            task = asyncio.get_running_loop().create_task(_close_later(self._channels.pop(address)))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)
        self._stubs = {key: stub for key, stub in self._stubs.items() if key[0] not in retired}


async def _close_later(channel: grpc.aio.Channel) -> None:
    try:
        await channel.close(grace=_RETIRED_SECONDS)
    finally:
        await channel.close()
