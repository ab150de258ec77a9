"""The grammar of `lightrouter`: commands that load when they run, grouped help, and the types of values."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from importlib import import_module
from typing import Any, Final

import click
from click.types import FuncParamType

from lightrouter.cli.errors import CommandError, ExitCode

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}
"""Every command answers to -h; its help has the defaults, and a terminal's width up to a choice of 100 columns."""

# The packages of the extra `lab`.
_LAB_PACKAGES: Final = ("lightgbm", "matplotlib", "numpy", "scipy", "sklearn", "threadpoolctl")
# What the system says of a path that was given wrongly; anything else of the kind is a fault of the program.
_WRONG_PLACES: Final = (
    *(errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR),
    *(errno.ENOTEMPTY, errno.EPERM, errno.EROFS),
)
# Choices: a larger value is a slip of the hand.
_MOST_SECONDS: Final = 10**9
_MOST_DOLLARS: Final = 1_000_000
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_URL: Final = re.compile(r"https?://[^\s/?#]\S*")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)


class Option(click.Option):
    """An option, in a section of the command's help."""

    def __init__(self, *arguments: Any, section: str = "Options", **settings: Any) -> None:
        """Takes the section's title, and what `click.Option` takes."""
        # An empty text as the default is no value, so the help does not show it.
        settings.setdefault("show_default", None if settings.get("default") != "" else False)
        super().__init__(*arguments, **settings)
        self.section = section

    def make_metavar(self, ctx: click.Context) -> str:
        """Returns what stands for the value in the help."""
        usual = {Whole: "N", Number: "X", Url: "URL", FuncParamType: "FILE"}
        return self.metavar or usual.get(type(self.type)) or super().make_metavar(ctx)


class _Plain(click.Command):
    """A command whose examples are printed as they are written."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}")


class Command(_Plain):
    """A command whose help has sections."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the arguments; to too many it says what the shell does to a text without quotes."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not error.message.startswith("Got unexpected extra"):
                raise
            raise click.UsageError(f"{error.message}; put a text with spaces in quotes", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; a failure gets its name."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            error.command = ctx.command_path
            raise
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _LAB_PACKAGES:
                raise
            message = f"{error.name} is not installed; install the extra `lab`: pip install 'lightrouter[lab]'"
            failed = CommandError(message, ExitCode.USAGE)
            failed.command = ctx.command_path
            raise failed from None
        except OSError as error:
            if error.errno not in (*_WRONG_PLACES, errno.ENOSPC):
                raise
            code = ExitCode.USAGE if error.errno in _WRONG_PLACES else ExitCode.FAILED
            place = f"{error.filename} cannot be used: " if error.filename else ""
            failed = CommandError(f"{place}{error.strerror}", code)
            failed.command = ctx.command_path
            raise failed from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            if not isinstance(each, click.Argument) and (record := each.get_help_record(ctx)):
                sections.setdefault(getattr(each, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Commands(_Plain, click.Group):
    """A group of commands, each of which is imported only when it runs: they need slow libraries."""

    def __init__(self, name: str, sections: Mapping[str, Mapping[str, tuple[str, str]]], **settings: Any) -> None:
        """Describes the commands.

        Args:
            name: The group's name.
            sections: By title, the commands by name: where each is, MODULE:NAME in this package, and its summary.
            settings: What `click.Group` takes.
        """
        listed = {name: command for commands in sections.values() for name, command in commands.items()}
        stubs = {name: click.Command(name, short_help=summary) for name, (_, summary) in listed.items()}
        super().__init__(name, commands=stubs, context_settings=SETTINGS, **settings)
        self._places = {name: place for name, (place, _) in listed.items()}
        self._sections = sections

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads `help COMMAND` as `COMMAND --help`."""
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def list_commands(self, _: click.Context) -> list[str]:
        """Returns the names in the order of the help."""
        return list(self._places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Imports the command that the arguments name."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, self.loaded(name) if name in self._places else found, rest

    def loaded(self, name: str) -> click.Command:
        """Returns a command of the group, imported."""
        module, _, attribute = self._places[name].partition(":")
        found: click.Command = getattr(import_module(f"{__package__}.{module}"), attribute)
        return found

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands by section."""
        for title, commands in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, summary) for name, (_, summary) in commands.items()])


def command(name: str, examples: str = "", **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Makes a command of a function, whose docstring is its description."""
    epilog = f"Examples:\n{examples}" if examples else None
    return click.command(name, cls=Command, epilog=epilog, context_settings=SETTINGS | settings)


def argument(name: str, about: str, **settings: Any) -> Decorator:
    """Adds an argument."""
    return click.argument(name, help=about, **settings)


def option(*names: str, section: str = "Options", **settings: Any) -> Decorator:
    """Adds an option to a section of the help."""
    return click.option(*names, cls=Option, section=section, **settings)


def together(*options: Decorator) -> Decorator:
    """Returns one decorator for several options, which the help lists in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(options):
            function = each(function)
        return function

    return decorate


def output(*forms: str) -> Decorator:
    """Adds `-o`; the first form is the default."""
    return option("-o", "--output", type=click.Choice(forms), default=forms[0], help="form of the output")


def alone(**given: object) -> None:
    """Checks that at most one of these options is given.

    Raises:
        CommandError: Several are.
    """
    flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if len(flags) > 1:
        raise CommandError(f"{' and '.join(flags)} exclude each other; give one", ExitCode.USAGE)


class Whole(click.IntRange):
    """A whole number in a range."""

    name = "whole number"


class Number(click.FloatRange):
    """A number in a range; never NaN or infinite."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Duration(click.ParamType[float, Any]):
    """A time above 0, in seconds: 90, 90s, 2m, 1h30m, 250ms."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the seconds."""
        text = str(value).strip()
        try:
            seconds = float(text)
        except ValueError:
            parts = _DURATION.findall(text)
            whole = "".join(f"{number}{unit}" for number, unit in parts) == text
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if whole else math.nan
        if not 0 < seconds < _MOST_SECONDS:
            self.fail(f"{value!r} is not a duration above 0 like 90s, 2m or 1h30m.", param, ctx)
        return seconds


class Dollars(click.ParamType[int, Any]):
    """An amount of US dollars, as nano-dollars."""

    name = "usd"

    def __init__(self, *, zero: bool) -> None:
        """Takes whether 0 is an amount."""
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the nano-dollars; takes a whole number as such."""
        if isinstance(value, int):
            return value
        try:
            amount = Decimal(value.removeprefix("$"))
        except InvalidOperation:
            self.fail(f"{value!r} must be an amount of US dollars like 0.002.", param, ctx)
        if not amount.is_finite() or not 0 <= amount < _MOST_DOLLARS or not (amount or self._zero):
            least = "of 0 or more" if self._zero else "above 0"
            self.fail(f"{value!r} must be an amount of US dollars {least}, below {_MOST_DOLLARS}.", param, ctx)
        nano = amount.scaleb(9)
        if nano != nano.to_integral_value():
            self.fail(f"{value!r} must be in whole nano-dollars, at most 9 decimal places.", param, ctx)
        return int(nano)


class Names(click.ParamType[tuple[str, ...], Any]):
    """Names, separated by commas; at least one, so that an empty variable of a shell does not mean all."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Returns the names."""
        parts: Sequence[str] = value.split(",") if isinstance(value, str) else value
        names = tuple(part.strip() for part in parts if part.strip())
        if isinstance(value, str) and not names:
            self.fail(f"{value!r} has no name; leave the option out for all.", param, ctx)
        return names


class Url(click.ParamType[str, Any]):
    """An http or https URL."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the URL as it is."""
        if not _URL.fullmatch(value):
            self.fail(f"{value!r} must be a URL that begins with http:// or https://.", param, ctx)
        return value


COUNT: Final = Whole(min=1)
"""A whole number of 1 or more."""
SEED: Final = Whole(0, 2**31 - 1)
"""A seed, within the bounds of `Sampling.seed`."""
BOOT_TOKENS: Final = Whole(1, 4096)
"""B, within the bounds of `Policy.boot_tokens`."""
SHARE: Final = Number(0, 1, min_open=True, max_open=True)
"""A share, between 0 and 1."""
