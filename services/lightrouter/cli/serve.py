"""`lightrouter serve`: one service of the suite, for a container or a unit file."""

from __future__ import annotations

import importlib
from typing import Final

import click

from lightrouter.cli.grammar import argument, command

SERVICES: Final = ("router", "selector", "aggregator", "adapter", "all")

_EXAMPLES: Final = """\
  lightrouter serve selector --listen 0.0.0.0:50052
  lightrouter serve router --help
  lightrouter serve all --pool pool.yaml --listen 0.0.0.0:50051
"""


# The service reads everything behind its name, --help too.
@command("serve", _EXAMPLES, allow_interspersed_args=False)
@argument("service", ", ".join(SERVICES), type=click.Choice(SERVICES), metavar="SERVICE")
@argument("settings", "the service's own settings; its --help lists them", nargs=-1, type=click.UNPROCESSED)
def serve(service: str, settings: tuple[str, ...]) -> None:
    """Runs one service until SIGTERM; `all` runs the whole suite in one process.

    An invalid setting ends the process with exit code 2.
    """
    package = "suite" if service == "all" else service
    importlib.import_module(f"lightrouter.{package}.__main__").main(list(settings))
