"""`lightrouter candidates`: the pool of a running router."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final

from google.protobuf.json_format import MessageToJson
from rich.console import Console

from lightrouter.cli import access, client, view
from lightrouter.cli.access import Access
from lightrouter.cli.errors import ExitCode
from lightrouter.cli.text import printable_json
from lightrouter.v1.router_pb2 import ListCandidatesRequest, ListCandidatesResponse

_EPILOG: Final = """\
examples:
  lightrouter candidates
  lightrouter candidates --json | jq -r '.candidates[].candidate.name'
"""
# A choice: the router answers from memory, so a longer wait means a fault.
_TIMEOUT_S: Final = 10.0
# A choice: columns that no line of the table reaches, so that output to a file is not folded.
_PIPED_WIDTH: Final = 400


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `candidates`."""
    parser.description, parser.epilog = "Lists the candidates of a router with state, health and prices.", _EPILOG
    access.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Prints the pool."""
    listed = asyncio.run(_list(access.access_from(arguments)))
    if arguments.json:
        sys.stdout.write(printable_json(MessageToJson(listed, ensure_ascii=False)) + "\n")
    else:
        # A pipe has no width; a table cut to a terminal's width would lose text.
        console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
        console.print(view.pool(listed))
        for remark in view.remarks(listed):
            console.print(remark, markup=False, highlight=False)
    return ExitCode.OK


async def _list(reached: Access) -> ListCandidatesResponse:
    async with client.router(reached) as stub:
        return await stub.ListCandidates(ListCandidatesRequest(), timeout=_TIMEOUT_S, metadata=reached.metadata)
