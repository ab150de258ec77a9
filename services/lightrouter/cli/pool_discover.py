"""`lightrouter pool discover`: entries for an endpoint's models that are not in the pool."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lightrouter.cli import endpoint
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import command, option
from lightrouter.cli.modelapis import Endpoint, endpoint_options
from lightrouter.cli.poolentries import asked_root, entries_text
from lightrouter.cli.poolstore import pool_option, read_file
from lightrouter.cli.served import ServedModel
from lightrouter.pool import file
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import Pool
from lightrouter.runtime import files

_EXAMPLES: Final = """\
  lightrouter pool discover http://localhost:11434
  lightrouter pool discover http://localhost:11434 --pool pool.yaml --probation --write
"""


@command("discover", _EXAMPLES)
@endpoint_options
@pool_option
@option("--probation", is_flag=True, help="add them on probation, until they are evaluated")
@option("--write", is_flag=True, help="write them into the pool file")
def discover(at: Endpoint, path: Path, probation: bool, write: bool) -> None:
    """Proposes an entry for each model of an endpoint that is not in the pool.

    With --probation they get a small share of the traffic until they are evaluated; with --write they are added to the
    pool file, and the router uses them without a restart.
    """
    text, pool = read_file(path)
    base_url, served = endpoint.served_by(at.url, at.api_key_env, at.api)
    new = _new(pool, base_url, served, at.models)
    if not new:
        sys.stderr.write(f"{base_url} serves no new model\n")
        return
    state = "probation" if probation else None
    entries = entries_text(base_url, new, at.api_key_env, set(pool.entries), state, at.api)
    if not write:
        sys.stdout.write(entries)
        sys.stderr.write(f"{len(new)} new; --write adds them to {path}\n")
        return
    joined = _joined(path, text, entries, pool)
    files.replace(path, joined.encode())
    names = [name for name in file.parse(joined.encode(), path).entries if name not in pool.entries]
    sys.stdout.write(f"{path}: {', '.join(names)}\n")
    sys.stderr.write("next: check the prices, then `lightrouter pool evaluate`\n")


def _new(pool: Pool, base_url: str, served: list[ServedModel], wanted: Sequence[str]) -> list[ServedModel]:
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
