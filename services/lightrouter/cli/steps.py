"""The progress of a long command on standard error: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lightrouter.cli.text import log

# A choice: so few lines that a log stays readable.
_LINES: Final = 10


class Steps:
    """The number of finished steps of a run, and the current one."""

    def __init__(self, name: str) -> None:
        """Takes what is done first. Nothing is shown before the run is entered."""
        columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        drawn = sys.stderr.isatty()
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True, disable=not drawn)
        self._task = self._progress.add_task(name, total=None)
        self._drawn = drawn
        self._name = name
        self._total = self._done = self._told = 0

    def __enter__(self) -> Self:
        """Shows the progress from now on."""
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Shows it no longer."""
        self._progress.stop()

    def expect(self, steps: int) -> None:
        """Adds `steps` to the total."""
        self._total += steps
        self._progress.update(self._task, total=self._total)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Runs a step of that name; counts it as finished at the end."""
        self._name = name
        self._progress.update(self._task, description=name)
        yield
        self.advance()

    def advance(self) -> None:
        """Counts one step as finished."""
        self._done += 1
        self._progress.advance(self._task)
        told = self._done * _LINES // max(self._total, self._done)
        if not self._drawn and told > self._told:
            self._told = told
            log(f"{self._name}: {self._done} of {self._total}")
