"""`lightrouter pool`: evaluates the candidates of a pool, shows and changes their states, finds new ones."""

from __future__ import annotations

import argparse
from typing import Final

from lightrouter.cli import pool_check, pool_discover, pool_evaluate, pool_states
from lightrouter.cli.errors import ExitCode

_EPILOG: Final = """\
examples:
  lightrouter pool evaluate --pool pool.yaml --set validation.jsonl --max-cost 0.50
  lightrouter pool status --pool pool.yaml
  lightrouter pool evict fast --namespace models --reason "answers in the wrong language"
  lightrouter pool readmit fast --namespace models
  lightrouter pool check --pool pool.yaml --write
  lightrouter pool discover http://localhost:11434 --pool pool.yaml --probation --write
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the commands of `pool`."""
    parser.description = "Evaluates the candidates of a pool, shows and changes their states, finds new ones."
    parser.epilog = _EPILOG
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )

    pool_evaluate.configure(add("evaluate", "ask the candidates a validation set, and decide which may answer"))
    pool_states.configure_status(add("status", "show each candidate's state and score, and why"))
    pool_states.configure_evict(add("evict", "evict a candidate until a person readmits it"))
    pool_states.configure_readmit(add("readmit", "let a candidate answer again"))
    pool_check.configure(add("check", "ask the candidates' providers what they can do"))
    pool_discover.configure(add("discover", "propose entries for models that an endpoint newly serves"))


def run(arguments: argparse.Namespace) -> ExitCode:
    """Runs the command."""
    act: ExitCode = arguments.act(arguments)
    return act
