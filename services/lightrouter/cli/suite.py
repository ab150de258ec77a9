"""The whole suite on one machine: one process per service, adapters that follow the pool file, nothing left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import grpc

from lightrouter.cli import localpool
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.process import Service, socket_folder
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import Pool
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.candidate_pb2 import CandidateHealth
from lightrouter.v1.router_pb2 import ListCandidatesRequest
from lightrouter.v1.router_pb2_grpc import RouterServiceStub

_START_S: Final = 60.0
_POLL_S: Final = 0.05
# A stopped service still sends its last traces.
_FLUSH_S: Final = 5.0


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
        grace_s: Seconds that running calls get to finish when a service is stopped.
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


@dataclass(frozen=True, slots=True)
class _Served:
    """The ready message of the local model's server."""

    base_url: str
    model: str

    @classmethod
    def parse(cls, line: str) -> _Served:
        values = json.loads(line)
        return cls(values["base_url"], values["model"])


class Suite:
    """All services of one machine, from `start` to `stop`; also an async context manager of both."""

    def __init__(self, options: SuiteOptions, log: Callable[[str], None]) -> None:
        """Starts nothing yet; `log` receives each line that a service writes, and each restart."""
        self._options = options
        self._log = log
        self._folder = socket_folder()
        self._services: list[Service] = []
        self._adapters: dict[str, Service] = {}
        self._changed = asyncio.Event()
        self._pool_file: FileStore | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> str:
        """Starts every service; returns the router's address once all are ready.

        Raises:
            CommandError: The pool file cannot be used, or a service does not start.
        """
        try:
            async with asyncio.timeout(_START_S):
                return await self._start()
        except TimeoutError:
            waiting = ", ".join(service.name for service in self._running() if not service.is_ready)
            raise CommandError(f"not ready within {_START_S:g} s: {waiting}") from None
        except PoolFileError as error:
            raise CommandError(str(error), ExitCode.USAGE) from None

    async def _start(self) -> str:
        # Services that need no pool file start while a local model still loads.
        path = self._options.pool.absolute() if self._options.pool else None
        if self._options.pool_text is not None:
            path = self._write_pool(self._options.pool_text)
        if path:
            self._pool_file = self._watched(path)
        artifact = ["--artifact", str(self._options.artifact.absolute())] if self._options.artifact else []
        for name, more in (("selector", artifact), ("aggregator", [])):
            # Only this suite's router can reach them, and a changed pool file may name adapters anywhere.
            arguments = ["--listen", f"unix:{self._folder}/{name}.sock", "--adapter-address", "*", *more]
            self._launch(name, f"lightrouter.{name}", arguments)
        if path is None:
            path = await self._serve_local_model()
            self._pool_file = self._watched(path)
        if self._pool_file is None:
            raise AssertionError("the pool file was read above")
        self._add(_local_names(self._pool_file.pool), path)
        router = self._launch_router(path)
        await _all_ready(self._running())
        address = await router.ready()
        await _until_serving(address, frozenset(self._adapters))
        self._tasks = [
            asyncio.create_task(self._pool_file.watch(), name="watch the pool file"),
            asyncio.create_task(self._follow_pool(self._pool_file, path), name="follow the pool file"),
        ]
        return address

    async def wait(self) -> None:
        """Waits until something in the suite fails for good."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        """Stops the router first, so that running calls finish, then the others, and removes the suite's files."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        routers = [service for service in self._services if service.name == "router"]
        await self._stop_all(routers)
        await self._stop_all(service for service in self._running() if service not in routers)
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """Ends every process at once; call `stop` afterwards."""
        for service in self._running():
            service.kill()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _running(self) -> list[Service]:
        return [*self._services, *self._adapters.values()]

    async def _stop_all(self, services: Iterable[Service]) -> None:
        await asyncio.gather(*(service.stop(self._options.grace_s + _FLUSH_S) for service in services))

    def _launch(self, name: str, module: str, arguments: Sequence[str]) -> Service:
        service = self._service(name, module, _constant(arguments))
        self._services.append(service)
        return service

    def _service(self, name: str, module: str, arguments: Callable[[str | None], Sequence[str]]) -> Service:
        ready_file = self._folder / f"{name}.ready"
        common = ["--ready-file", str(ready_file), "--log-level", self._options.log_level, "--log-format", "console"]
        common += ["--grace-seconds", str(self._options.grace_s)]
        if self._options.otlp_endpoint:
            common += ["--otlp-endpoint", self._options.otlp_endpoint]
            common += ["--sampling-ratio", str(self._options.sampling_ratio)]
        service = Service(name, module, lambda address: [*arguments(address), *common], ready_file, self._log)
        service.start()
        return service

    def _launch_router(self, pool: Path) -> Service:
        def arguments(address: str | None) -> list[str]:
            # Callers know the address by now: a restarted router takes the same port.
            return [
                *("--listen", address or self._options.listen),
                *("--pool", str(pool)),
                *("--adapter-address", f"unix:{self._folder}/a-{{name}}.sock"),
                *("--selector-address", f"unix:{self._folder}/selector.sock"),
                *("--aggregator-address", f"unix:{self._folder}/aggregator.sock"),
            ]

        service = self._service("router", "lightrouter.router", arguments)
        self._services.append(service)
        return service

    async def _serve_local_model(self) -> Path:
        ready_file = self._folder / "model.ready"

        def arguments(ready: str | None) -> list[str]:
            # The pool file names the port: a restarted model server takes the same one.
            port = "0" if ready is None else str(urlsplit(_Served.parse(ready).base_url).port)
            return ["--port", port, "--model", str(self._options.model), "--ready-file", str(ready_file)]

        service = Service("model", "lightrouter.localmodel", arguments, ready_file, self._log)
        self._services.append(service)
        service.start()
        served = _Served.parse(await service.ready())
        return self._write_pool(localpool.text(served.base_url, served.model))

    def _write_pool(self, text: str) -> Path:
        # In a separate folder: services watch it, and must not wake for other files.
        path = self._folder / "pool" / "pool.yaml"
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
        self._log(f"pool | {path}")
        return path

    def _watched(self, path: Path) -> FileStore:
        return FileStore(path, lambda _: self._changed.set(), self._refuse)

    def _refuse(self, error: PoolFileError) -> None:
        self._log(f"pool | the changed file is refused, the last valid pool stays:\n{error}")

    async def _follow_pool(self, pool_file: FileStore, path: Path) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = _local_names(pool_file.pool)
            gone = [name for name in self._adapters if name not in wanted]
            self._add([name for name in wanted if name not in self._adapters], path)
            # They end before the next change is read: a name that returns needs its socket free.
            await self._stop_all([self._adapters.pop(name) for name in gone])

    def _add(self, names: Sequence[str], pool: Path) -> None:
        for name in names:
            arguments = ["--listen", f"unix:{self._folder}/a-{name}.sock", "--pool", str(pool), "--candidate", name]
            self._adapters[name] = self._service(f"adapter-{name}", "lightrouter.adapter", _constant(arguments))


def _constant(arguments: Sequence[str]) -> Callable[[str | None], Sequence[str]]:
    return lambda _: arguments


def _local_names(pool: Pool) -> list[str]:
    # An entry with an address has an adapter that runs elsewhere.
    return [name for name, entry in pool.entries.items() if entry.address is None]


async def _all_ready(services: Iterable[Service]) -> None:
    waiting: list[Awaitable[str]] = [service.ready() for service in services]
    await asyncio.gather(*waiting)


async def _until_serving(router: str, names: frozenset[str]) -> None:
    """Waits until the router at `router` says that the adapters of these candidates serve."""
    channels = Channels()
    try:
        stub = RouterServiceStub(channels.get(router))
        while True:
            listed = await stub.ListCandidates(ListCandidatesRequest(), timeout=_START_S, wait_for_ready=True)
            serving = {
                status.candidate.name
                for status in listed.candidates
                if status.health == CandidateHealth.CANDIDATE_HEALTH_SERVING
            }
            if names <= serving:
                return
            await asyncio.sleep(_POLL_S)
    except grpc.aio.AioRpcError as error:
        raise CommandError(f"the router does not answer: {from_rpc_error(error).message}") from None
    finally:
        await channels.close()
