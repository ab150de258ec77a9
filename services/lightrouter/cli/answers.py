"""The comparable answer as an option: an RE2 pattern, or the word for a kind of answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightrouter.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from lightrouter.v1.policy_pb2 import AnswerPattern

PATTERN_HELP: Final = (
    "the word number, choices:N for the letter among N options, or an RE2 pattern "
    "(to match such a word itself, put it in brackets: (number))"
)


def answer_pattern(text: str) -> AnswerPattern:
    """Returns the pattern for an argument, without checking an RE2 pattern.

    Raises:
        CommandError: It is choices:N without a possible number.
    """
    from lightrouter.answers.extract import named

    try:
        return named(text)
    except ValueError as error:
        raise CommandError(f"--answer-pattern {error}", ExitCode.USAGE) from None
