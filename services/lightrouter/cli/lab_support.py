"""Options, progress and failures shared by the commands of `lightrouter lab`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lightrouter.cli.answers import PATTERN_HELP, answer_pattern
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import BOOT_TOKENS, COUNT, SEED, Decorator, Names, alone, argument, option, together
from lightrouter.cli.steps import Steps
from lightrouter.cli.text import log, one_line

if TYPE_CHECKING:
    from lightrouter.v1.policy_pb2 import AnswerPattern

learning_options: Final[Decorator] = together(
    option("--seed", type=SEED, default=0, section="Learning", help="seed of every random choice"),
    option(
        "--answer-pattern",
        metavar="PATTERN",
        section="Learning",
        help=f"the comparable answer: {PATTERN_HELP}; default: inferred from the right answers",
    ),
    option("--prices", type=Path, section="Learning", help="prices in YAML, which override the package's"),
)
"""Adds the options of everything that learns from recordings: `seed`, `answer_pattern` and `prices`."""


def data_options(folds: int) -> Decorator:
    """Returns what adds the options for the data and the report.

    The function gets them as `settings`, the arguments of `lab.settings.RunSettings`, and the folder of the report as
    `out`.
    """
    add = together(
        argument("data", "the recording to test on", type=Path),
        option("--out", type=Path, required=True, metavar="DIR", help="folder of the report"),
        option("--resume", is_flag=True, help="resume an interrupted run"),
        option("--limit", type=COUNT, help="maximum prompts to test on; default: all"),
        option(
            "--only", type=Names(), default=(), metavar="MODEL,...", help="models of the pool; default: all recorded"
        ),
        option(
            "--boot-tokens",
            type=BOOT_TOKENS,
            help="tokens that each candidate writes before the ranking; default: from the training prompts' lengths",
        ),
        option("--folds", type=COUNT, section="Learning", help=f"folds of DATA; default: {folds}"),
        option(
            "--train",
            type=Path,
            metavar="DATA2",
            section="Learning",
            help="another recording to learn from, instead of folds",
        ),
        learning_options,
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_data(**given: Any) -> Any:
            alone(folds=given["folds"], train=given["train"])
            checked_pattern(given["answer_pattern"])
            settings = {name: given.pop(name) for name in _RUN_SETTINGS}
            settings |= {
                "folds": settings["folds"] or folds,
                "command": shlex.join(["lightrouter", *click.get_current_context().obj]),
            }
            return function(settings=settings, out=settings["out"], **given)

        return add(with_data)

    return decorate


_RUN_SETTINGS: Final = (
    *("data", "out", "train", "boot_tokens", "folds", "seed"),
    *("limit", "only", "prices", "answer_pattern", "resume"),
)


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

    try:
        with Steps("reading") as steps:
            yield steps
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
    except KeyboardInterrupt:
        log(f"Interrupted; finished parts are kept in {out}. The same command with --resume continues.")
        raise
