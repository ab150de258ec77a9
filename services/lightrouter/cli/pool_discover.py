"""`lightrouter pool discover`: entries for an endpoint's models that are not in the pool."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import Final

from lightrouter.cli import endpoint
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.modelapis import api_of, configure_provider
from lightrouter.cli.poolentries import asked_root, entries_text
from lightrouter.cli.poolstore import read_file
from lightrouter.cli.served import ServedModel
from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import Pool

_DESCRIPTION: Final = """\
Asks an endpoint which models it serves, and proposes an entry for each that is not in the pool. With
--probation they get a small share of the traffic until they are evaluated; with --write they are added to the pool
file, and the router uses them without a restart.
"""
_EPILOG: Final = """\
examples:
  lightrouter pool discover http://localhost:11434 --pool pool.yaml
  lightrouter pool discover http://localhost:11434 --pool pool.yaml --probation --write
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `discover`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("url", metavar="URL", help="the endpoint, with or without /v1")
    parser.add_argument("--pool", type=Path, required=True, metavar="FILE", help="the pool file")
    configure_provider(parser)
    parser.add_argument("--api-key-env", metavar="NAME", help="environment variable that holds the API key")
    parser.add_argument(
        "--model", action="append", default=[], metavar="ID", help="a model to include, may be repeated"
    )
    parser.add_argument("--probation", action="store_true", help="add them on probation, until they are evaluated")
    parser.add_argument("--write", action="store_true", help="write them into the pool file")
    parser.set_defaults(act=_run)


def _run(arguments: argparse.Namespace) -> ExitCode:
    path: Path = arguments.pool
    text, pool = read_file(path)
    api = api_of(arguments.url, arguments.provider)
    base_url, served = endpoint.served_by(arguments.url, arguments.api_key_env, api)
    new = _new(pool, base_url, served, arguments.model)
    if not new:
        sys.stderr.write(f"{base_url} serves no new model\n")
        return ExitCode.OK
    state = "probation" if arguments.probation else None
    entries = entries_text(base_url, new, arguments.api_key_env, set(pool.entries), state, api)
    if not arguments.write:
        sys.stdout.write(entries)
        sys.stderr.write(f"{len(new)} new; --write adds them to {path}\n")
        return ExitCode.OK
    joined = _joined(path, text, entries, pool)
    endpoint.write(path, joined)
    names = [name for name in file.parse(joined.encode(), path).entries if name not in pool.entries]
    sys.stdout.write(f"{path}: {', '.join(names)}\n")
    sys.stderr.write("next: check the prices, then `lightrouter pool evaluate`\n")
    return ExitCode.OK


def _new(pool: Pool, base_url: str, served: list[ServedModel], wanted: list[str]) -> list[ServedModel]:
    roots = {base_url, asked_root(base_url)}
    known = {entry.model for entry in pool.entries.values() if entry.base_url in roots}
    chosen = endpoint.named(served, wanted) if wanted else [model for model in served if model.chats]
    return [model for model in served if model in chosen and model.id not in known]


def _joined(path: Path, text: str, entries: str, pool: Pool) -> str:
    """Returns the pool file's text with the entries added to its candidates and everything else unchanged.

    Raises:
        CommandError: The candidates are not the last key of the file, or there would be too many.
    """
    found = re.search(r"(?m)^candidates:[^\n]*\n(?:\s*(?:#[^\n]*)?\n)*( *)- ", text)
    indent = found.group(1) if found else "  "
    joined = text.rstrip("\n") + "\n" + textwrap.indent(textwrap.dedent(entries), indent)
    advice = f"the entries do not fit at the end of {path}; add them to its candidates by hand:\n{entries}"
    try:
        made = file.parse(joined.encode(), path)
    except PoolFileError as error:
        raise CommandError(f"{advice}\n{error}", ExitCode.USAGE) from None
    kept = {name: made.entries.get(name) for name in pool.entries}
    if kept != dict(pool.entries) or (made.judge, made.synthesizer) != (pool.judge, pool.synthesizer):
        raise CommandError(advice, ExitCode.USAGE)
    return joined
