"""The suite on one machine in this process; only a local model has a process of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from lightrouter.adapter.faults import EntryError
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.suite import Suite, SuiteOptions
from lightrouter.runtime.rpc.server import AddressUnavailableError, Server, keep_what_is_loaded, sentence_of
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.auth import TokensFileError
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import InvalidSettingError
from lightrouter.runtime.telemetry.logs import send_logs
from lightrouter.suite.assemble import assemble
from lightrouter.suite.settings import SuiteSettings, read


class OneProcess(Suite):
    """A suite in this process."""

    def __init__(self, options: SuiteOptions, log: Callable[[str], None]) -> None:
        """Starts nothing yet. See `Suite`."""
        super().__init__(options, log)
        self._stack = AsyncExitStack()
        self._server: Server | None = None
        self._hurrying: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Waits until something in the suite fails for good. See `Suite.wait`.

        Raises:
            CommandError: A watch of the suite failed, so that it would miss changes.
        """
        try:
            await super().wait()
        except Exception as error:
            raise CommandError(f"the suite has ended: {sentence_of(error)}") from error

    async def _start(self) -> str:
        send_logs("suite", self._options.log_level, "console")
        settings = self._settings(self._given_pool() or await self._serve_local_model())
        try:
            channels, telemetry = await self._stack.enter_async_context(connected("lightrouter", settings))
            suite = assemble(settings, channels, telemetry)
            suite.router.server.hold()
            await self._stack.enter_async_context(suite.running())
        except (EntryError, TlsError, TokensFileError) as error:
            raise CommandError(str(error), ExitCode.USAGE) from None
        except AddressUnavailableError as error:
            raise CommandError(str(error)) from None
        self._server = suite.router.server
        watches = (*suite.watches, self._server.watch_itself)
        self._tasks = [asyncio.create_task(watch()) for watch in watches]
        await suite.router.begin()
        keep_what_is_loaded()
        return self._server.address

    async def _stop(self) -> None:
        if self._server:
            await self._server.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    def _kill(self) -> None:
        if self._server:
            # A second drain ends the first one at once.
            self._hurrying = asyncio.create_task(self._server.drain())

    def _settings(self, pool: Path) -> SuiteSettings:
        options = self._options
        flags = ["--listen", options.listen, "--pool", str(pool), *options.common_flags]
        flags += [*options.artifact_flags, *options.synthesis_flags]
        try:
            return read(flags, os.environ)
        except InvalidSettingError as error:
            raise CommandError(str(error), ExitCode.USAGE) from None
