"""Refuses Python modules over 400 lines: `python -m tools.module_lines FOLDER...`; generated code does not count."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

MOST_LINES: Final = 400
"""A choice: a module of this length can still be read in one sitting."""
_GENERATED: Final = ("*_pb2.py", "*_pb2_grpc.py")


def too_long(folders: Sequence[Path]) -> list[str]:
    """Returns one sentence for each module below `folders` that is too long."""
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        if any(path.match(pattern) for pattern in _GENERATED):
            continue
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
        if lines > MOST_LINES:
            found.append(f"{path}: has {lines} lines, more than {MOST_LINES}; split it")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(too_long([Path(folder) for folder in sys.argv[1:]])) or 0)
