"""Client channels to other services, one a target."""

from __future__ import annotations

import json

import grpc

_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")


def target(address: str) -> str:
    """Returns the gRPC target of an address; HOST:PORT is resolved by DNS, every address of it used."""
    return address if address.startswith(_SCHEMES) else f"dns:///{address}"


class Channels:
    """Open channels by address; created when first asked for."""

    def __init__(self, max_message_bytes: int = 16 * 1024 * 1024) -> None:
        """Bounds each message, sent or received, to `max_message_bytes`."""
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._options = (
            ("grpc.service_config", _ROUND_ROBIN),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            # Despite its name the time that one attempt to connect may take; a busy machine needs more than a moment.
            ("grpc.min_reconnect_backoff_ms", 5_000),
            ("grpc.max_reconnect_backoff_ms", 5_000),
            # A unix socket's path is no host name, and servers refuse it as one.
            ("grpc.default_authority", "localhost"),
        )

    def get(self, address: str) -> grpc.aio.Channel:
        """Returns the channel to `address`: HOST:PORT, unix:PATH or a gRPC target."""
        channel = self._channels.get(address)
        if channel is None:
            options = self._options if address.startswith("unix") else self._options[:-1]
            channel = grpc.aio.insecure_channel(target(address), options=options)
            self._channels[address] = channel
        return channel

    async def close(self) -> None:
        """Closes every channel; running calls are cancelled."""
        channels = list(self._channels.values())
        self._channels.clear()
        for channel in channels:
            await channel.close()
