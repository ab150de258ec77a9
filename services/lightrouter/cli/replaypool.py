"""The pool that `lightrouter up --replay` uses: the models of a recording as candidates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lightrouter.pool import replayed
from lightrouter.recording import prices
from lightrouter.runtime.document import dump

_HEAD: Final = """\
# The models of a recording. Prices come from the lab's list if it has the model, else they are assumed. All priors are
# equal: a request must not know the quality of the recorded responses.
"""


def text(recording: Path, models: Iterable[str], *, pace: bool) -> str:
    """Returns the pool file for these recorded models; `pace`: they take the recorded time."""
    names = list(models)
    more = {"pace": True} if pace else {}
    return _HEAD + dump(
        {"candidates": replayed.entries(str(recording), names, [0.5] * len(names), prices.load(), **more)}
    )
