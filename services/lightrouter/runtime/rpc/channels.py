"""Client channels to other services, one for each target."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

import grpc

from lightrouter.runtime.addresses import is_unix, target
from lightrouter.runtime.security.tls import Material, TlsFiles, channel_credentials

_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
# A choice: seconds in which the calls of a closed channel may finish, as long as the longest call.
_RETIRED_SECONDS: Final = 3600.0
# A choice: a channel that is unused for this many seconds is closed; its address has probably left the pool.
_IDLE_SECONDS: Final = 600.0


class Channels:
    """Open channels by address; created on first use, and replaced when the TLS files change."""

    def __init__(
        self, max_message_bytes: int = 16 * 1024 * 1024, tls: TlsFiles | None = None, server_name: str = ""
    ) -> None:
        """Limits each message to `max_message_bytes`; uses `tls` for all addresses but unix sockets.

        `server_name` is the expected name in certificates, if it is not the host of the address.
        """
        self._server_name = server_name
        self._tls = tls
        self._material: Material | None = tls.current() if tls else None
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._asked: dict[str, float] = {}
        self._held: Counter[str] = Counter()
        self._sweeping: asyncio.TimerHandle | None = None
        self._options: tuple[tuple[str, str | int], ...] = (
            ("grpc.service_config", _ROUND_ROBIN),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            # Otherwise gRPC buffers up to 9 MB of each stream with a slow reader (measured).
            ("grpc.http2.bdp_probe", 0),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # Despite its name the timeout of one connection attempt; a busy machine needs seconds.
            ("grpc.min_reconnect_backoff_ms", 5_000),
            # A service that restarts is found within a second, even after a long outage.
            ("grpc.max_reconnect_backoff_ms", 1_000),
            # By default gRPC resolves names at most every 30 s, in which a rolling update can replace all addresses.
            ("grpc.dns_min_time_between_resolutions_ms", 1_000),
            # Else a new channel takes over the backoff of a closed one, which knew another server at this address.
            ("grpc.use_local_subchannel_pool", 1),
            # Servers refuse the path of a unix socket as a host name.
            ("grpc.default_authority", "localhost"),
        )

    def get(self, address: str) -> grpc.aio.Channel:
        """Returns the channel to `address`: HOST:PORT, unix:PATH or a gRPC target. For calls that begin now."""
        if self._tls and (material := self._tls.current()) is not self._material:
            self._material = material
            # Open connections keep the old certificate, so changed files need a new channel.
            self._retire([address for address in self._channels if not is_unix(address)])
        loop = asyncio.get_running_loop()
        self._asked[address] = loop.time()
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = self._open(address)
            if self._sweeping is None:
                self._sweeping = loop.call_later(_IDLE_SECONDS, self._sweep)
        return channel

    def hold(self, address: str) -> grpc.aio.Channel:
        """Returns the channel to `address` for an endless call; it does not count as idle until `release`."""
        self._held[address] += 1
        return self.get(address)

    def release(self, address: str) -> None:
        """Ends a `hold`."""
        self._held[address] -= 1
        self._held += Counter()

    async def connected(self, address: str) -> None:
        """Waits for a connection to `address`, so that the first call need not wait for it."""
        await self.get(address).channel_ready()

    async def close(self) -> None:
        """Closes all channels and cancels their running calls."""
        channels = list(self._channels.values())
        self._channels.clear()
        self._asked.clear()
        if self._sweeping:
            self._sweeping.cancel()
        for channel in channels:
            await channel.close()
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def _open(self, address: str) -> grpc.aio.Channel:
        if is_unix(address):
            return grpc.aio.insecure_channel(target(address), options=self._options)
        options = self._options[:-1]
        if self._material is None:
            return grpc.aio.insecure_channel(target(address), options=options)
        named = (("grpc.ssl_target_name_override", self._server_name),) if self._server_name else ()
        credentials = channel_credentials(self._material)
        return grpc.aio.secure_channel(target(address), credentials, options=(*options, *named))

    def _sweep(self) -> None:
        """Closes idle channels, so that addresses that have left the pool are released."""
        loop = asyncio.get_running_loop()
        latest = loop.time() - _IDLE_SECONDS
        self._retire([each for each, at in self._asked.items() if at <= latest and not self._held[each]])
        self._sweeping = loop.call_later(_IDLE_SECONDS, self._sweep) if self._channels else None

    def _retire(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            del self._asked[address]
            task = asyncio.get_running_loop().create_task(_close_later(self._channels.pop(address)))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)


async def _close_later(channel: grpc.aio.Channel) -> None:
    try:
        await channel.close(grace=_RETIRED_SECONDS)
    finally:
        await channel.close()
