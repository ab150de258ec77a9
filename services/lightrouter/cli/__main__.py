"""`lightrouter COMMAND`: runs a command, and turns its failures into one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from lightrouter.cli.commands import LIGHTROUTER
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.runtime.text import printable


def main(argv: Sequence[str] | None = None) -> None:
    """Runs `lightrouter` with these arguments, by default the process's, and ends the process with its exit code."""
    given = sys.argv[1:] if argv is None else argv
    if given[:1] != ["serve"]:
        # What gRPC's core writes to standard error, the command's own sentence says.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(run(given))


def run(argv: Sequence[str]) -> int:
    """Runs `lightrouter` with these arguments; returns the exit code."""
    try:
        return LIGHTROUTER.main(list(argv), prog_name="lightrouter", standalone_mode=False, obj=argv) or ExitCode.OK
    except CommandError as error:
        sys.stderr.write(f"{error.command}: {printable(str(error))}\n")
        return error.code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return ExitCode.USAGE
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "lightrouter"
        sys.stderr.write(f"{command}: {printable(error.format_message())}\nTry '{command} --help'.\n")
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    main()
