"""The models of a recording as entries of a pool file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightrouter.pool.schema import REPLAY
from lightrouter.recording.prices import PriceList
from lightrouter.recording.recording import pool_names


def entries(
    recording: str, models: Sequence[str], priors: Sequence[float], prices: PriceList, **more: object
) -> list[dict[str, Any]]:
    """Returns the entries of recorded models, with their priors, 0 to 1, their prices and what else each has."""
    return [
        {
            "name": name,
            "provider": REPLAY,
            "recording": recording,
            "model": model,
            **more,
            "prices": prices.of(model).listed,
            "prior": float(prior),
        }
        for (model, name), prior in zip(pool_names(models).items(), priors, strict=True)
    ]
