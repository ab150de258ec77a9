"""`lightrouter serve`: one service of the suite, for a container or a unit file."""

from __future__ import annotations

import argparse
import importlib
from typing import Final

from lightrouter.cli.errors import ExitCode

SERVICES: Final = ("router", "selector", "aggregator", "adapter", "all")

_EPILOG: Final = """\
examples:
  lightrouter serve selector --listen 0.0.0.0:50052
  lightrouter serve router --help
  lightrouter serve all --pool pool.yaml --listen 0.0.0.0:50051
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `serve`."""
    parser.description, parser.epilog = (
        "Runs one service until SIGTERM; `all` runs the whole suite in one process.",
        _EPILOG,
    )
    parser.add_argument("service", choices=SERVICES, metavar="SERVICE", help=", ".join(SERVICES))
    parser.add_argument("settings", nargs=argparse.REMAINDER, help="the service's own settings; its --help lists them")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Runs the service; an invalid setting ends the process with status 2."""
    package = "suite" if arguments.service == "all" else arguments.service
    importlib.import_module(f"lightrouter.{package}.__main__").main(arguments.settings)
    return ExitCode.OK
