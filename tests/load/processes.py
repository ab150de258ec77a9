"""Processes of the benchmark: started, waited for, measured and stopped."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

_STOP_SECONDS = 20.0
_MEGABYTE = 2**20

Found = TypeVar("Found")


class BenchError(Exception):
    """What stops a benchmark; its text is one sentence."""


@contextmanager
def helper(module: str, *arguments: str) -> Iterator[int]:
    """Runs `python -m module` with these arguments and yields the port that it prints."""
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 30)
        line = process.stdout.readline() if ready else ""
        if not line.strip().isdecimal():
            raise BenchError(f"{module} did not say its port")
        yield int(line)
    finally:
        _stop(psutil.Process(process.pid))
        process.wait()


@contextmanager
def service(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    """Runs a command with its output in `log` and yields it; ended with SIGTERM, and what then is left with SIGKILL."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches the benchmark alone, which then ends its services in order.
        try:
            process = subprocess.Popen(
                list(command),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise BenchError(f"{command[0]} cannot be started: {error}") from None
        found = psutil.Process(process.pid)
        try:
            yield found
        finally:
            _stop(found)
            process.wait()


def _stop(process: psutil.Process) -> None:
    try:
        family = [process, *process.children(recursive=True)]
        process.terminate()
    except psutil.NoSuchProcess:
        return
    _, left = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for survivor in left:
        survivor.kill()


def run(what: str, command: Sequence[str], folder: Path) -> None:
    """Runs a command to its end in a folder.

    Raises:
        BenchError: It cannot be started or it failed.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{what}: {error}") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise BenchError(f"{what}: {command[0]} ended with status {done.returncode}: {' '.join(last)}")


def free_port() -> int:
    """Returns a port that was free a moment ago, for a program that cannot say which one it took."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(what: str, look: Callable[[], Found | None], process: psutil.Process, seconds: float, log: Path) -> Found:
    """Returns what `look` finds, once it does, while `process` lives.

    Raises:
        BenchError: The process ended, or the seconds passed.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            raise BenchError(f"{what} ended at once; its output is in {log}")
        time.sleep(0.02)
    raise BenchError(f"{what} was not ready within {seconds:.0f} s; its output is in {log}")


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one process, in MB: resident, and the part of it that is the process's own."""

    rss: float
    uss: float


class Group:
    """Processes that are measured together, by name."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = dict(processes)

    def cpu(self) -> dict[str, float]:
        """Returns the seconds of CPU, user and system, that each process has used so far."""
        return {name: _seconds(process) for name, process in self._alive()}

    def memory(self) -> dict[str, Memory]:
        """Returns the memory of each process."""
        found = {}
        for name, process in self._alive():
            info = process.memory_full_info()
            found[name] = Memory(info.rss / _MEGABYTE, info.uss / _MEGABYTE)
        return found

    def rss(self) -> float:
        """Returns the resident memory of all processes, in MB."""
        return sum(process.memory_info().rss for _, process in self._alive()) / _MEGABYTE

    def _alive(self) -> Iterator[tuple[str, psutil.Process]]:
        for name, process in self._processes.items():
            # A restarted service has a new process, whose figures cover a shorter time.
            if not process.is_running():
                raise BenchError(f"{name} ended while it was measured")
            yield name, process


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
