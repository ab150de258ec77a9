"""Only the adapters of a pool file, one process each, for commands that ask candidates without a router."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from lightrouter.cli.errors import CommandError
from lightrouter.cli.process import Service, socket_folder
from lightrouter.cli.text import log
from lightrouter.pool import file

# A choice: a loaded machine starts a service within some seconds, a slow one within some minutes.
_START_S: Final = 300.0
# A choice: a benchmark or an evaluation has no calls left when it stops its adapters.
_GRACE_S: Final = 5.0


@asynccontextmanager
async def adapters(pool: Path, start_s: float = _START_S) -> AsyncIterator[str]:
    """Runs an adapter for each entry without an address; yields the template of their gRPC targets, with {name}.

    Raises:
        PoolFileError: The pool file cannot be used.
        CommandError: An adapter does not start within `start_s` seconds, or fails.
    """
    names = [name for name, entry in file.load(pool).entries.items() if entry.address is None]
    folder = socket_folder()
    services = [_service(name, folder, pool) for name in names]
    try:
        await _start(services, start_s)
        yield f"unix:{folder}/{{name}}.sock"
    finally:
        await asyncio.gather(*(service.stop(_GRACE_S + 2.0) for service in services))
        shutil.rmtree(folder, ignore_errors=True)


async def _start(services: Sequence[Service], within_s: float) -> None:
    for service in services:
        service.start()
    try:
        async with asyncio.timeout(within_s):
            await asyncio.gather(*(service.ready() for service in services))
    except TimeoutError:
        waiting = ", ".join(service.name for service in services if not service.is_ready)
        raise CommandError(f"not ready within {within_s:g} s: {waiting}") from None


def _service(name: str, folder: Path, pool: Path) -> Service:
    ready = folder / f"{name}.ready"
    arguments: Sequence[str] = [
        *("--listen", f"unix:{folder}/{name}.sock", "--pool", str(pool.absolute()), "--candidate", name),
        *("--ready-file", str(ready), "--log-level", "warning", "--log-format", "console"),
        *("--grace-seconds", str(_GRACE_S)),
    ]
    return Service(f"adapter-{name}", "lightrouter.adapter", lambda _: arguments, ready, log)
