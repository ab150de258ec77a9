"""Exit codes of commands, and failures that a person can act on."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit code of the process; also in the help text of `lightrouter`."""

    OK = 0
    """All went well."""
    FAILED = 1
    """A call, a service or a model failed."""
    USAGE = 2
    """The command line, a pool file or another setting is wrong."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CommandError(Exception):
    """A failure that ends the command; its text is for people, one sentence per line.

    Attributes:
        code: The exit code of the process.
        command: The command that failed, with its groups.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
        self.command = "lightrouter"
