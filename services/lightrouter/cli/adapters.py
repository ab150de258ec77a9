"""The adapters of a pool file alone, one process each, for commands that ask candidates without a router."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from lightrouter.cli.errors import CommandError
from lightrouter.cli.process import Service, ServiceDiedError
from lightrouter.pool import file

_START_S: Final = 60.0
_GRACE_S: Final = 5.0
# The path of a unix socket has at most 104 bytes on some systems; a candidate's name may take 63 of them.
_LONGEST_FOLDER: Final = 30


@asynccontextmanager
async def adapters(pool: Path) -> AsyncIterator[str]:
    """Runs an adapter for each entry that has no address; gives the template of their gRPC targets, with {name}.

    Raises:
        PoolFileError: The pool file cannot be used.
        CommandError: An adapter does not start.
    """
    names = [name for name, entry in file.load(pool).entries.items() if entry.address is None]
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="lr-", dir=usual if len(usual) <= _LONGEST_FOLDER else "/tmp"))  # noqa: S108
    services = [_service(name, folder, pool) for name in names]
    try:
        for service in services:
            service.start()
        async with asyncio.timeout(_START_S):
            await asyncio.gather(*(service.ready() for service in services))
        yield f"unix:{folder}/{{name}}.sock"
    except ServiceDiedError as error:
        raise CommandError(str(error)) from None
    finally:
        await asyncio.gather(*(service.stop(_GRACE_S + 2.0) for service in services))
        shutil.rmtree(folder, ignore_errors=True)


def _service(name: str, folder: Path, pool: Path) -> Service:
    ready = folder / f"{name}.ready"
    arguments: Sequence[str] = [
        *("--listen", f"unix:{folder}/{name}.sock", "--pool", str(pool.absolute()), "--candidate", name),
        *("--ready-file", str(ready), "--log-level", "warning", "--log-format", "console"),
        *("--grace-seconds", str(_GRACE_S)),
    ]
    return Service(f"adapter-{name}", "lightrouter.adapter", lambda _: arguments, ready, _say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
