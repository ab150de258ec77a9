"""`--trace` and `--jaeger`: the trace of a command's own request, and its waterfall."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, field

import httpx
from rich.console import Console

from lightrouter.cli.jaeger import Jaeger, JaegerError
from lightrouter.cli.text import printable
from lightrouter.cli.waterfall import waterfall

# A choice: wide enough for a waterfall with its attributes.
_PIPED_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace that the command starts: always recorded, whatever the sampling ratio.

    Attributes:
        id: Its id, 32 hexadecimal digits.
        caller: The id of the command's own span, 16 hexadecimal digits; it is the root and nobody has it.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    caller: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata that joins a call to the trace (W3C traceparent)."""
        return (("traceparent", f"00-{self.id}-{self.caller}-01"),)


def show(trace: Trace, jaeger_url: str | None) -> None:
    """Writes the trace's id to standard error and, with Jaeger's URL, its waterfall once Jaeger has it."""
    sys.stderr.write(f"trace: {trace.id}\n")
    if not jaeger_url:
        return
    try:
        with httpx.Client() as http:
            spans, whole = Jaeger(jaeger_url, http).wait(trace.id, trace.caller)
    except JaegerError as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return
    if not spans:
        sys.stderr.write(f"{jaeger_url} does not have the trace: does the router send its traces there?\n")
        return
    # A fixed width if there is no terminal, as in CI logs and files.
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED_WIDTH)
    console.print(waterfall(spans))
    if not whole:
        sys.stderr.write("some spans are still missing; ask Jaeger again for the whole trace\n")
