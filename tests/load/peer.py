"""A proxy of others on the benchmark's upstream: how it is started, and one model call through it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import yarl

from tests.load import suite
from tests.load.load import Call, Target
from tests.load.processes import BenchError, Group, service, wait_for

MODEL: Final = "bench-1"
_START_SECONDS: Final = 180.0
_TIMEOUT_SECONDS: Final = 60.0
_CHAT: Final = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Program:
    """How a proxy is started.

    Attributes:
        title: Its name and its release, as the table shows them.
        command: Its command line, one worker, telemetry off.
        root: The root of its URLs.
        alive: The path that answers 200 once it serves.
        environment: Variables that it gets.
        headers: Headers of each call.
    """

    title: str
    command: Sequence[str]
    root: str
    alive: str
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def running(program: Program, log: Path) -> Iterator[Target]:
    """Yields the proxy once it serves; its output goes to `log`."""
    begin = time.perf_counter()
    with service(program.command, program.environment, log) as process:
        url = f"{program.root}{program.alive}"
        wait_for(program.title, lambda: _alive(url), process, _START_SECONDS, log)
        start_s = time.perf_counter() - begin
        family = {str(one.pid): one for one in [process, *process.children(recursive=True)]}
        yield Target(program.title, 1, Group(family), start_s, lambda: calling(program.root, program.headers))


@asynccontextmanager
async def calling(root: str, headers: Mapping[str, str]) -> AsyncIterator[Call]:
    """Yields a call of one model through the proxy at `root`."""
    target = yarl.URL(f"{root}{_CHAT}")
    message = {"role": "user", "content": suite.QUESTION}
    body = json.dumps({"model": MODEL, "messages": [message], "max_tokens": 200}).encode()
    sent = {"content-type": "application/json", "authorization": "Bearer none", **headers}

    async def post(session: aiohttp.ClientSession) -> None:
        async with session.post(target, data=body, headers=sent) as reply:
            content = await reply.read()
        if reply.status != 200:
            raise BenchError(f"status {reply.status}: {content[:200].decode(errors='replace')}")

    # A kept connection is closed here before the proxies close it, which they do after 5 s.
    async with _session(keepalive_timeout=3.0) as kept, _session(force_close=True) as fresh:

        async def call() -> None:
            try:
                try:
                    await post(kept)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # That the proxy closes a kept connection as a call comes in is no fault of it.
                    await post(fresh)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise BenchError(f"{type(error).__name__}: {error}") from None

        yield call


def _session(*, keepalive_timeout: float | None = None, force_close: bool = False) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_timeout, force_close=force_close)
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )


def _alive(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return True if answer.status == 200 else None
    except (urllib.error.URLError, OSError):
        return None
