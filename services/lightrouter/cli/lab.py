"""`lightrouter lab`: the method's quality and cost on recorded outputs, and the selector trained on them."""

from __future__ import annotations

import argparse
import importlib
from typing import Final, Protocol, cast

from lightrouter.cli.errors import CommandError, ExitCode

ACTIONS: Final = {
    "compare": "compare the method with its alternatives on a recording",
    "train": "train the learned selector on recordings",
    "experiment": "answer one question about the method on a recording: a command, a page",
}
_EXTRA: Final = ("lightgbm", "matplotlib", "numpy", "scipy", "sklearn")

_EPILOG: Final = """\
examples:
  lightrouter lab compare recording.jsonl.gz --out report
  lightrouter lab experiment boot-length recording.jsonl.gz --out boot-length


A recording is JSON lines, gzip-compressed or not: the prompt, each model's answer, and its quality.
`lightrouter lab` needs the extra `lab`: pip install 'lightrouter[lab]'
"""


class _Action(Protocol):
    """A module of this package, `lab_ACTION`, for one action."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Adds the action's description, examples and arguments."""

    def run(self, arguments: argparse.Namespace) -> ExitCode:
        """Runs the action; imports the extra's packages only here."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the actions of `lab`."""
    parser.description = "Runs comparisons and experiments on recorded outputs, and trains the selector on them."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    for name, summary in ACTIONS.items():
        action = actions.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        _module(name).configure(action)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Runs the action.

    Raises:
        CommandError: The extra is not installed, or the action failed.
    """
    try:
        return _module(arguments.action).run(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        message = f"{error.name} is not installed; install the extra `lab`: pip install 'lightrouter[lab]'"
        raise CommandError(message, ExitCode.USAGE) from None


def _module(action: str) -> _Action:
    return cast("_Action", importlib.import_module(f"lightrouter.cli.lab_{action}"))
