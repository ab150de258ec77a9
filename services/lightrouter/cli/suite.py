"""A suite on this machine: its options, its pool file and its local model, whichever way its services run."""

from __future__ import annotations

import asyncio
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from lightrouter.cli import localpool
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.process import Service, socket_folder
from lightrouter.pool.file import PoolFileError

START_S: Final = 300.0
"""Longest start of a suite, in seconds. A choice: a small local model loads in 6 s, and on a slow machine in ten times
that. It bounds what hangs; a service that ends is seen at once."""
FLUSH_S: Final = 5.0
"""Seconds in which a stopped process still sends its last traces."""


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """Options of the suite.

    Attributes:
        listen: HOST:PORT of the router; port 0 picks a free one.
        pool: The pool file.
        pool_text: Content of a pool file that the suite writes itself, if there is no pool file.
        model: The local model's GGUF file, which serves as three candidates if there is neither.
        log_level: Minimum level that services log.
        otlp_endpoint: Target of the traces, http://HOST:PORT; None: no traces are kept.
        sampling_ratio: Share of the requests that are traced, 0 to 1, if the caller has not decided.
        artifact: Folder of the artifact for the selector `learned`; None: the package's.
        grace_s: Seconds that running calls get to finish when a service is stopped; the default is a choice.
    """

    listen: str
    pool: Path | None
    pool_text: str | None = None
    model: Path | None = None
    log_level: str = "warning"
    otlp_endpoint: str | None = None
    sampling_ratio: float = 1.0
    artifact: Path | None = None
    grace_s: float = 10.0

    @property
    def common_flags(self) -> list[str]:
        """The settings that are those of every service, as its flags."""
        flags = ["--log-level", self.log_level, "--log-format", "console", "--grace-seconds", str(self.grace_s)]
        if self.otlp_endpoint:
            flags += ["--otlp-endpoint", self.otlp_endpoint, "--sampling-ratio", str(self.sampling_ratio)]
        return flags

    @property
    def artifact_flags(self) -> list[str]:
        """The artifact, as a flag of the selector."""
        return ["--artifact", str(self.artifact.absolute())] if self.artifact else []


@dataclass(frozen=True, slots=True)
class _Served:
    """The ready message of the local model's server."""

    base_url: str
    model: str

    @classmethod
    def parse(cls, line: str) -> _Served:
        values = json.loads(line)
        return cls(values["base_url"], values["model"])


class Suite(ABC):
    """A suite, from `start` to `stop`; also an async context manager that stops it."""

    def __init__(self, options: SuiteOptions, log: Callable[[str], None]) -> None:
        """Starts nothing yet; `log` receives each line that a process of the suite writes, and each restart."""
        self._options = options
        self._log = log
        self._folder = socket_folder()
        self._model: Service | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> str:
        """Starts everything; returns the router's address once all is ready.

        Raises:
            CommandError: The pool file cannot be used, or something does not start.
        """
        try:
            async with asyncio.timeout(START_S):
                return await self._start()
        except TimeoutError:
            raise CommandError(f"not ready within {START_S:g} s: {', '.join(self._waiting())}") from None
        except PoolFileError as error:
            raise CommandError(str(error), ExitCode.USAGE) from None

    async def wait(self) -> None:
        """Waits until something in the suite fails for good."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Lets running calls finish, ends everything, and removes the suite's files."""
        await self._stop()
        if self._model:
            await self._model.stop(self._options.grace_s + FLUSH_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """Ends everything at once; call `stop` afterwards."""
        if self._model:
            self._model.kill()
        self._kill()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @abstractmethod
    async def _start(self) -> str:
        """Starts everything; returns the router's address. It may be cancelled."""

    @abstractmethod
    async def _stop(self) -> None:
        """Lets running calls finish, and ends everything but the local model."""

    @abstractmethod
    def _kill(self) -> None:
        """Ends everything but the local model at once."""

    def _waiting(self) -> list[str]:
        """Returns the names of what has not started yet."""
        return ["model"] if self._model and not self._model.is_ready else []

    def _given_pool(self) -> Path | None:
        """Returns the pool file of the options; None if it is to be made for the local model."""
        if self._options.pool_text is not None:
            return self._write_pool(self._options.pool_text)
        return self._options.pool.absolute() if self._options.pool else None

    async def _serve_local_model(self) -> Path:
        ready_file = self._folder / "model.ready"

        def arguments(ready: str | None) -> list[str]:
            # The pool file names the port: a restarted model server takes the same one.
            port = "0" if ready is None else str(urlsplit(_Served.parse(ready).base_url).port)
            return ["--port", port, "--model", str(self._options.model), "--ready-file", str(ready_file)]

        self._model = Service("model", "lightrouter.localmodel", arguments, ready_file, self._log)
        self._model.start()
        served = _Served.parse(await self._model.ready())
        return self._write_pool(localpool.text(served.base_url, served.model))

    def _write_pool(self, text: str) -> Path:
        # In a separate folder: services watch it, and must not wake for other files.
        path = self._folder / "pool" / "pool.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        self._log(f"pool | {path}")
        return path
