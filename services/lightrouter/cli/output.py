"""Prints what commands found: documents for programs, plain tables for people and pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightrouter.cli.text import one_line, printable, printable_json

if TYPE_CHECKING:
    from google.protobuf.message import Message


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
    """Prints a table without lines; a row is one line, however wide the terminal."""
    from rich.cells import cell_len, set_cell_size

    table = [headings, *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for row in table:
        sys.stdout.write("  ".join(map(set_cell_size, row, widths)).rstrip() + "\n")
    sys.stdout.flush()
