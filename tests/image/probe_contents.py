"""Runs in the image: writes what is in it to standard output, as JSON."""

import json
import os
import re
import shutil
from importlib.metadata import distributions
from pathlib import Path

HOME = Path("/opt/lightrouter")
UNCHECKED = 0b01

sources = [path for path in HOME.rglob("*.py") if "__pycache__" not in path.parts]
compiled = list(HOME.rglob("*.pyc"))
print(
    json.dumps(
        {
            "user": [os.getuid(), os.getgid()],
            "installed": {re.sub(r"[-_.]+", "-", one.name).lower(): one.version for one in distributions()},
            "compilers": [
                name
                for name in ("cc", "gcc", "g++", "c++", "clang", "ld", "as", "make", "rustc", "cargo")
                if shutil.which(name)
            ],
            "leftovers": [
                str(path)
                for path in (Path("/context"), Path("/pip"), Path("/locked"), Path("/ours"), HOME / "bin" / "pip")
                if path.exists()
            ],
            "writable": [str(path) for path in HOME.rglob("*") if not path.is_symlink() and os.access(path, os.W_OK)],
            "sources": len(sources),
            "compiled": len(compiled),
            "checked": [str(path) for path in compiled if path.read_bytes()[4] != UNCHECKED],
        }
    )
)
