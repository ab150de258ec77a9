"""The pool that `lightrouter up --replay` uses: the models of a recording as candidates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

from lightrouter.pool.schema import REPLAY
from lightrouter.recording.recording import pool_names

_HEAD: Final = """\
# The models of a recording. The prices are assumed. The priors say that nothing is known of them: how good the recorded
# responses are stays out of here, for nothing that serves a request may know it.
"""
_PRICES: Final = {"input": "0.20", "output": "0.20"}


def text(recording: Path, models: Iterable[str], *, pace: bool) -> str:
    """Returns the pool file for these recorded models; `pace`: they take the recorded time."""
    candidates = [
        {
            "name": name,
            "provider": REPLAY,
            "recording": str(recording),
            "model": model,
            **({"pace": True} if pace else {}),
            "prices": _PRICES,
            "prior": 0.5,
        }
        for model, name in pool_names(models).items()
    ]
    return _HEAD + yaml.safe_dump({"candidates": candidates}, sort_keys=False, allow_unicode=True)
