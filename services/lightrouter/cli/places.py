"""The pool file that commands use if none is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

POOL_VARIABLE: Final = "LIGHTROUTER_POOL"
"""The environment variable that names the pool file."""
_USUAL: Final = Path("pool.yaml")


def usual_pool() -> Path | None:
    """Returns the pool file of the environment, else ./pool.yaml; None if there is neither."""
    named = os.environ.get(POOL_VARIABLE)
    return Path(named) if named else _USUAL if _USUAL.exists() else None
