"""The pool of `lightrouter up --replay`: the models of a recording as candidates."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final

from lightrouter.lab import prices
from lightrouter.lab.prices import Price
from lightrouter.pool.schema import REPLAY
from lightrouter.recording.recording import pool_names
from lightrouter.runtime.document import dump

_HEAD: Final = """\
# The models of a recording. Prices are those of the lab's list if it has the model, else assumed. All priors are
# equal: a router that serves requests must not know how good the recorded responses are.
"""


def text(recording: Path, models: Iterable[str], *, pace: bool) -> str:
    """Returns the pool file for these recorded models; `pace`: replies take the recorded time."""
    known = prices.load()
    candidates = [
        {
            "name": name,
            "provider": REPLAY,
            "recording": str(recording),
            "model": model,
            **({"pace": True} if pace else {}),
            "prices": _listed(known.of(model)),
            "prior": 0.5,
        }
        for model, name in pool_names(models).items()
    ]
    return _HEAD + dump({"candidates": candidates})


def _listed(price: Price) -> dict[str, str]:
    listed = {"input": price.input, "cached_input": price.cached_input, "output": price.output}
    return {kind: str(Decimal(str(usd))) for kind, usd in listed.items() if usd is not None}
