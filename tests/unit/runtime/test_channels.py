"""Channels: which have TLS, and which are let go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from lightrouter.runtime.addresses import is_unix, target
from lightrouter.runtime.rpc import channels as module
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.security.tls import TlsFiles
from tests.authority import Authority


@pytest.mark.parametrize(
    ("address", "unix", "expected"),
    [
        ("unix:/run/s", True, "unix:/run/s"),
        ("unix:s", True, "unix:s"),
        ("unix:///run/s", True, "unix:///run/s"),
        ("unix-abstract:s", True, "unix-abstract:s"),
        ("unix-models.example.com:443", False, "dns:///unix-models.example.com:443"),
        ("unix.example.com:443", False, "dns:///unix.example.com:443"),
        ("unix-abstract.example.com:443", False, "dns:///unix-abstract.example.com:443"),
        ("unix:50051", False, "dns:///unix:50051"),
        ("unix:0", False, "dns:///unix:0"),
        ("unix-abstract:443", False, "dns:///unix-abstract:443"),
        ("unix:./50051", True, "unix:./50051"),
        ("unix:50051.sock", True, "unix:50051.sock"),
        ("unix:///50051", True, "unix:///50051"),
        ("unix:/50051", True, "unix:/50051"),
        ("unix-abstract:443s", True, "unix-abstract:443s"),
        ("unixes:443", False, "dns:///unixes:443"),
        ("UNIX:/run/s", False, "dns:///UNIX:/run/s"),
        ("dns:///unix:443", False, "dns:///unix:443"),
        ("dns:50051", False, "dns:///dns:50051"),
        ("xds:443", False, "dns:///xds:443"),
        ("ipv4:10.0.0.1:443", False, "ipv4:10.0.0.1:443"),
        ("ipv6:[::1]:443", False, "ipv6:[::1]:443"),
        ("dns:host:443", False, "dns:host:443"),
        ("host:443", False, "dns:///host:443"),
    ],
)
def test_an_address_is_a_socket_or_a_host(address: str, unix: bool, expected: str) -> None:
    assert (is_unix(address), target(address)) == (unix, expected)


@pytest.mark.parametrize("host", ["unix-models.example.com", "unixes.example", "unix", "unix-abstract", "host.example"])
async def test_a_host_whose_name_begins_like_a_socket_s_has_tls(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    secure = grpc.aio.secure_channel

    def noted(to: str, *arguments: object, **named: object) -> grpc.aio.Channel:
        opened.append(to)
        return secure(to, *arguments, **named)  # type: ignore[arg-type] # passed on as they are

    monkeypatch.setattr(grpc.aio, "secure_channel", noted)
    channels = Channels(tls=TlsFiles(authorities=Authority(tmp_path, "ours").file))
    channels.get(f"{host}:443")
    channels.get("unix:/run/s")
    assert opened == [f"dns:///{host}:443"]
    await channels.close()


async def closed(channel: grpc.aio.Channel) -> None:
    # gRPC tells nobody.
    while channel.get_state() is not grpc.ChannelConnectivity.SHUTDOWN:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_channels_that_nobody_asks_for_are_closed_unless_they_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.02)
    addresses = [f"unix:{tmp_path}/{name}" for name in "ab"]
    channels = Channels()
    left, held = channels.get(addresses[0]), channels.hold(addresses[1])
    await closed(left)
    assert channels.get(addresses[1]) is held
    assert channels.get(addresses[0]) is not left
    channels.release(addresses[1])
    await closed(held)
    await channels.close()


async def test_channels_that_are_asked_for_stay(tmp_path: Path) -> None:
    channels = Channels()
    first = channels.get(f"unix:{tmp_path}/a")
    channels.get(f"unix:{tmp_path}/b")
    assert channels.get(f"unix:{tmp_path}/a") is first
    await channels.close()


async def test_a_new_channel_takes_over_no_backoff(tmp_path: Path) -> None:
    connected: asyncio.Queue[None] = asyncio.Queue()

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.put_nowait(None)
        writer.close()

    before, after = Channels(), Channels()
    long = {"grpc.initial_reconnect_backoff_ms": 600_000, "grpc.max_reconnect_backoff_ms": 600_000}
    for channels in (before, after):
        channels._options = tuple((dict(channels._options) | long).items())
    async with await asyncio.start_unix_server(refuse, tmp_path / "s"):
        for channels in (before, after):
            channels.get(f"unix:{tmp_path}/s").get_state(try_to_connect=True)
            await connected.get()
    await before.close()
    await after.close()
