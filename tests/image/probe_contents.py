"""Runs in the image: writes what is in it to standard output, as JSON."""

import ctypes
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
libraries = list(HOME.rglob("*.so*"))


def unloadable() -> dict[str, str]:
    """Returns the libraries that do not load, with the reasons."""
    found = {}
    for library in libraries:
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            found[str(library)] = str(error)
    return found


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
            "libraries": len(libraries),
            "unloadable": unloadable(),
            "sources": len(sources),
            "compiled": len(compiled),
            "checked": [str(path) for path in compiled if path.read_bytes()[4] != UNCHECKED],
        }
    )
)
