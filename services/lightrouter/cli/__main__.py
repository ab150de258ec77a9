"""`lightrouter COMMAND`: finds the command, runs it, and turns its failures into one sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final, Protocol

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.text import printable

COMMANDS: Final = {
    "up": "run the whole suite on this machine",
    "ask": "ask a prompt and watch the route",
    "candidates": "list the pool of a running router",
    "record": "record the candidates' answers to prompts",
    "pool": "evaluate the candidates of a pool, show and change their states, find new ones",
    "init": "write a pool file from an endpoint's models",
    "lab": "compare, experiment and train on recorded outputs",
    "serve": "run one service, or all in one process, in a container or a cluster",
    "demo": "start the suite with a small local model, ask two prompts, stop",
}

_EPILOG: Final = """\
examples:
  lightrouter up                                      three candidates of one small local model
  lightrouter init http://localhost:11434 --out pool.yaml
  lightrouter up --pool pool.yaml
  lightrouter ask "Why is the sky blue?"
  lightrouter ask - --json < prompt.txt | jq -r .text

exit codes:
  0    all went well
  1    a call, a service or a model failed
  2    the command line, a pool file or another setting is wrong
  130  interrupted with Ctrl-C
"""


class _Command(Protocol):
    """A module of this package that is a command."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's description, examples and arguments."""

    def run(self, arguments: argparse.Namespace) -> ExitCode:
        """Runs the command."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs `lightrouter` with these arguments, by default the process's, and ends the process with its exit code."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Runs `lightrouter` with these arguments; returns the exit code.

    Raises:
        SystemExit: The arguments are wrong, or ask for help.
    """
    # Only the module of the command that runs is imported, because each imports its own slow libraries.
    name = next((argument for argument in argv if argument in COMMANDS), None)
    command: _Command | None = importlib.import_module(f"lightrouter.cli.{name}") if name else None
    arguments = _parser(name, command).parse_args(argv)
    arguments.argv = list(argv)
    if command is None:
        raise AssertionError("argparse refuses unknown commands")
    try:
        return command.run(arguments)
    except CommandError as error:
        sys.stderr.write(f"lightrouter {name}: {printable(str(error))}\n")
        return error.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; buffered output must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _parser(name: str | None, command: _Command | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightrouter",
        description="One prompt, several language models, one answer; only the promising drafts are paid for in full.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"lightrouter {version('lightrouter')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for other, summary in COMMANDS.items():
        sub = commands.add_parser(
            other, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        if other == name and command is not None:
            command.configure(sub)
    return parser


if __name__ == "__main__":
    main()
