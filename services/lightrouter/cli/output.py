"""Prints what commands found: documents for programs, plain tables for people and pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from lightrouter.cli.text import one_line, printable, printable_json

if TYPE_CHECKING:
    from google.protobuf.message import Message

# A choice: columns that no line of a table reaches, so that output to a file is not folded.
_PIPED_WIDTH: Final = 400


def print_document(document: Message | Any, form: str) -> None:
    """Prints a message, or a value of JSON, as `json` or `yaml`."""
    if not isinstance(document, dict | list):
        from google.protobuf.json_format import MessageToDict

        document = MessageToDict(document)
    if form == "yaml":
        from lightrouter.runtime.document import dump

        sys.stdout.write(printable(dump(document)))
    else:
        sys.stdout.write(printable_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table without lines; only a terminal folds it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)
