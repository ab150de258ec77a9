"""One service as a supervised process: started, restarted when it dies, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.cli.errors import CommandError

# A choice: unnoticed by a person, and almost no CPU.
_POLL_S: Final = 0.02
# A unix socket's path has at most 104 bytes on macOS; a candidate's name may take 63 of them.
_LONGEST_FOLDER: Final = 30


def socket_folder() -> Path:
    """Creates a folder for sockets of services, with a path that is short enough."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - the folder in it is made safely
    return Path(tempfile.mkdtemp(prefix="lr-", dir=short))


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a dead service waits before it restarts. The defaults are choices.

    Attributes:
        first_s: Seconds after the first death.
        most_s: Maximum seconds; each consecutive death doubles the wait up to it.
        reset_s: Seconds of life after which the next death counts as the first.
    """

    first_s: float = 0.2
    most_s: float = 30.0
    reset_s: float = 30.0

    def next(self, previous_s: float, lived_s: float) -> float:
        """Returns the seconds to wait, from the previous wait (0: none) and the service's lifetime in seconds."""
        if previous_s == 0 or lived_s >= self.reset_s:
            return self.first_s
        return min(previous_s * 2, self.most_s)


class ServiceDiedError(CommandError):
    """A service ended before it was first ready; the text is one sentence with its last line of output."""


class Service:
    """A service's process, from `start` to `stop`."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Callable[[str | None], Sequence[str]],
        ready_file: Path,
        log: Callable[[str], None],
        backoff: Backoff = Backoff(),
    ) -> None:
        """Describes the service; nothing runs before `start`.

        Args:
            name: Its name in logs.
            module: The service's Python module.
            arguments: Returns its arguments, given its previous address; None the first time.
            ready_file: The file to which the service writes its address once it is ready.
            log: Receives each line that the service writes, and each restart.
            backoff: The wait after each death.
        """
        self.name = name
        self._module = module
        self._arguments = arguments
        self._ready_file = ready_file
        self._log = log
        self._backoff = backoff
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._last_words = ""

    def start(self) -> None:
        """Starts the process and its supervision."""
        self._task = asyncio.create_task(self._supervise(), name=f"supervise {self.name}")

    @property
    def is_ready(self) -> bool:
        """Whether it was ready at least once."""
        return self._address.done() and not self._address.cancelled() and self._address.exception() is None

    async def ready(self) -> str:
        """Waits until the service is first ready, and returns its address.

        Raises:
            ServiceDiedError: It ended before.
        """
        return await asyncio.shield(self._address)

    async def stop(self, grace_s: float) -> None:
        """Ends the process: SIGTERM, and after `grace_s` seconds SIGKILL."""
        self._stopping.set()
        if self._task is None:
            return
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait((self._task,), timeout=grace_s)
        if not done:
            self._log(f"{self.name} | did not end within {grace_s:g} s; killed")
            self.kill()
        await self._task
        self._address.cancel()

    def kill(self) -> None:
        """Ends the process at once, for good."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _supervise(self) -> None:
        wait_s = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            status = await self._run_once()
            if self._stopping.is_set():
                return
            if not self._address.done():
                # The sentence begins with this command's name, and names the service.
                last = re.sub(r"^lightrouter serve \w+: ", "", self._last_words)
                words = f": {last}" if last else ""
                self._address.set_exception(
                    ServiceDiedError(f"{self.name} {_ended(status)} before it was ready{words}")
                )
                # Marks the exception as retrieved: possibly nobody awaits it.
                self._address.exception()
            wait_s = self._backoff.next(wait_s, time.monotonic() - started)
            self._log(f"{self.name} | {_ended(status)}; restarts in {wait_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _run_once(self) -> int:
        arguments = self._arguments(self._address.result() if self.is_ready else None)
        self._ready_file.unlink(missing_ok=True)
        # -P: a file in the working folder must not replace a library. A new session: Ctrl-C in a terminal goes to every
        # process of the group, and we choose the order in which services end.
        command = (sys.executable, "-P", "-m", "lightrouter.cli.child", self._module, *arguments)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
        self._process = process
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        reading = asyncio.create_task(self._relay(process))
        waiting = asyncio.create_task(self._await_ready())
        try:
            status = await process.wait()
            # Read a dead process's output to its end, but do not wait for a grandchild that holds the pipe.
            await asyncio.wait((reading,), timeout=1.0)
            return status
        finally:
            reading.cancel()
            waiting.cancel()
            if process.stdin is not None:
                process.stdin.close()

    async def _await_ready(self) -> None:
        while not self._ready_file.exists():  # noqa: ASYNC110 - a file is what the service says it with
            await asyncio.sleep(_POLL_S)
        if not self._address.done():
            self._address.set_result(self._ready_file.read_text(encoding="utf-8").strip())

    async def _relay(self, process: Process) -> None:
        if process.stdout is None:
            raise AssertionError("the process was started with a pipe")
        rest = b""
        while data := await process.stdout.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._say(line)
        self._say(rest)

    def _say(self, line: bytes) -> None:
        if text := line.decode(errors="replace").rstrip():
            self._last_words = text
            self._log(f"{self.name} | {text}")


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
