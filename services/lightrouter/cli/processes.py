"""The suite on one machine with one process per service: adapters follow the pool file, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import grpc

from lightrouter.cli.errors import CommandError
from lightrouter.cli.process import Service
from lightrouter.cli.suite import FLUSH_S, START_S, Suite, SuiteOptions
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import Pool
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.candidate_pb2 import CandidateHealth
from lightrouter.v1.router_pb2 import ListCandidatesRequest
from lightrouter.v1.router_pb2_grpc import RouterServiceStub

# A choice: unnoticed by a person, and almost no CPU.
_POLL_S: Final = 0.05


class Processes(Suite):
    """A suite with one process for each service, which is restarted when it dies."""

    def __init__(self, options: SuiteOptions, log: Callable[[str], None]) -> None:
        """Starts nothing yet. See `Suite`."""
        super().__init__(options, log)
        self._services: list[Service] = []
        self._adapters: dict[str, Service] = {}
        self._changed = asyncio.Event()
        self._pool_file: FileStore | None = None

    async def _start(self) -> str:
        # Services that need no pool file start while a local model still loads.
        path = self._given_pool()
        if path:
            self._pool_file = self._watched(path)
        for name, more in (("selector", self._options.artifact_flags), ("aggregator", self._options.synthesis_flags)):
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

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # First the router, so that running calls finish.
        routers = [service for service in self._services if service.name == "router"]
        await self._stop_all(routers)
        await self._stop_all(service for service in self._running() if service not in routers)

    def _kill(self) -> None:
        for service in self._running():
            service.kill()

    def _waiting(self) -> list[str]:
        return [*super()._waiting(), *(service.name for service in self._running() if not service.is_ready)]

    def _running(self) -> list[Service]:
        return [*self._services, *self._adapters.values()]

    async def _stop_all(self, services: Iterable[Service]) -> None:
        await asyncio.gather(*(service.stop(self._options.grace_s + FLUSH_S) for service in services))

    def _launch(self, name: str, module: str, arguments: Sequence[str]) -> Service:
        service = self._service(name, module, _constant(arguments))
        self._services.append(service)
        return service

    def _service(self, name: str, module: str, arguments: Callable[[str | None], Sequence[str]]) -> Service:
        ready_file = self._folder / f"{name}.ready"
        common = ["--ready-file", str(ready_file), *self._options.common_flags]
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
            listed = await stub.ListCandidates(ListCandidatesRequest(), timeout=START_S, wait_for_ready=True)
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
