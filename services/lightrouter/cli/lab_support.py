"""Arguments, progress and failures shared by the actions of `lightrouter lab`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lightrouter.cli import values
from lightrouter.cli.answers import PATTERN_HELP, answer_pattern
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.text import one_line

if TYPE_CHECKING:
    from lightrouter.v1.policy_pb2 import AnswerPattern


def add_learning_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of everything that learns from recordings."""
    parser.add_argument(
        "--seed", type=values.seed, default=0, metavar="N", help="seed of every random choice; default: 0"
    )
    parser.add_argument(
        "--answer-pattern",
        metavar="PATTERN",
        help=f"the comparable answer: {PATTERN_HELP}; default: inferred from the right answers",
    )


def add_data_arguments(parser: argparse.ArgumentParser, folds: int = 5) -> None:
    """Adds the arguments for the training and test data and for the report."""
    parser.add_argument("data", type=Path, metavar="DATA", help="the recording to test on")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report")
    learned = parser.add_mutually_exclusive_group()
    learned.add_argument(
        "--folds", type=values.count, default=folds, metavar="N", help=f"folds of DATA; default: {folds}"
    )
    learned.add_argument(
        "--train", type=Path, metavar="DATA2", help="another recording to learn from, instead of folds"
    )
    add_learning_arguments(parser)
    parser.add_argument("--limit", type=values.count, metavar="N", help="maximum prompts to test on; default: all")
    parser.add_argument(
        "--only",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="MODEL[,MODEL]",
        help="the models of the pool; default: all that are recorded",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices in YAML, which override the package's")
    parser.add_argument(
        "--boot-tokens",
        type=values.boot_tokens,
        metavar="N",
        help="tokens that each candidate writes before the ranking; default: set from the training prompts' lengths",
    )
    parser.add_argument("--resume", action="store_true", help="resume an interrupted run")


def run_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the arguments for `lab.settings.RunSettings`.

    Raises:
        CommandError: The answer's pattern cannot be used.
    """
    checked_pattern(arguments.answer_pattern)
    names = (
        "data",
        "out",
        "train",
        "boot_tokens",
        "folds",
        "seed",
        "limit",
        "only",
        "prices",
        "answer_pattern",
        "resume",
    )
    return {name: getattr(arguments, name) for name in (*names, "resume")} | {
        "command": shlex.join(["lightrouter", *arguments.argv])
    }


def checked_pattern(text: str | None) -> AnswerPattern | None:
    """Returns the pattern of the comparable answer; None if none is given.

    Raises:
        CommandError: It is empty or cannot be used.
    """
    from lightrouter.answers.extract import check
    from lightrouter.runtime.errors import ServiceError

    if text is None:
        return None
    if not text:
        raise CommandError("--answer-pattern is empty; leave it out to infer it", ExitCode.USAGE)
    pattern = answer_pattern(text)
    try:
        check(pattern, "--answer-pattern")
    except ServiceError as error:
        raise CommandError(error.message, ExitCode.USAGE) from None
    return pattern


def warn(sentences: Iterable[str]) -> None:
    """Writes warnings to standard error."""
    for sentence in sentences:
        sys.stderr.write(f"lightrouter lab: {one_line(sentence)}\n")


class Steps:
    """Shows the number of finished steps of a run, and the current one."""

    def __init__(self, progress: Progress) -> None:
        """Adds a task to `progress`."""
        self._progress = progress
        self._task = progress.add_task("reading", total=None)
        self._total = 0

    def expect(self, steps: int) -> None:
        """Adds `steps` to the total."""
        self._total += steps
        self._progress.update(self._task, total=self._total)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Runs a step of that name; counts it as finished at the end."""
        self._progress.update(self._task, description=name)
        yield
        self._progress.advance(self._task)


@contextmanager
def reported(out: Path) -> Iterator[Steps]:
    """Shows progress on standard error, and turns the lab's failures into CommandError.

    Raises:
        CommandError: A file, a setting or the data cannot be used.
    """
    from lightrouter.lab.dataset.data import DataError
    from lightrouter.lab.policies.helpers import HelpersError
    from lightrouter.lab.results.parts import ResumeError
    from lightrouter.lab.training.cases import TrainingError
    from lightrouter.learned.artifact import ArtifactError
    from lightrouter.recording.load import RecordingError
    from lightrouter.recording.prices import PriceListError

    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            yield Steps(progress)
    except (
        ArtifactError,
        DataError,
        HelpersError,
        PriceListError,
        RecordingError,
        ResumeError,
        TrainingError,
    ) as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise CommandError(f"{error.filename}: {error.strerror}", ExitCode.USAGE) from None
    except KeyboardInterrupt:
        console.print(f"Interrupted; finished parts are kept in {out}. The same command with --resume continues.")
        raise
