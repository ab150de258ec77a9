"""Trains what a boot gives, on recorded answers that are cut where the boot would end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.forest import Forest
from lightrouter.lab.training.quality import Held, Situation, TrainingOptions, cross_fitted
from lightrouter.learned.boots import BootShare, room

# A choice: each model learns from half of the prompts, so that only two more are needed.
_FOLDS: Final = 2
# A choice: more candidates that begin cost more, and the rise beyond three is small.
_CANDIDATES: Final = (2, 3)
# The standard errors from a share to its lower bound: the two-sided 95 % of a normal distribution.
_ERRORS: Final = 1.96


class _Kind(NamedTuple):
    options: bool
    candidates: int
    tokens: int


class _Chosen(NamedTuple):
    """A choice among the partials of one prompt.

    Attributes:
        kind: What it was.
        rise: The quality of the chosen answer over that of the first candidate's.
        room: What a perfect choice was expected to add.
    """

    kind: _Kind
    rise: float
    room: float


def boot_shares(cases: Cases, options: TrainingOptions, seed: int) -> list[BootShare]:
    """Returns what boots of these lengths give, learned from choices by models that have not seen the prompts.

    No other part of a training depends on it, nor it on them.
    """
    found: dict[_Kind, list[_Chosen]] = {}
    for held in cross_fitted(cases, options, seed, _FOLDS):
        for chosen in _choices(cases, held, options.boot_tokens):
            found.setdefault(chosen.kind, []).append(chosen)
    return [BootShare(*kind, _share(found[kind])) for kind in sorted(found)]


def _choices(cases: Cases, held: Held, lengths: Sequence[int]) -> Iterator[_Chosen]:
    """Yields the choice among the best candidates of each prompt, at each length of a boot."""
    views: list[tuple[_Kind, float, list[float]]] = []
    rows: list[list[float]] = []
    for index in held.indices:
        case = cases.cases[index]
        situation = Situation(case, held.model.featurizer)
        expected, order = situation.expected, situation.shortlist(max(_CANDIDATES))
        lettered = bool(held.model.featurizer.question(case.text).options)
        for count, tokens in product(_CANDIDATES, lengths):
            if count > len(order):
                continue
            begun = order[:count]
            rows.extend(situation.rows(dict.fromkeys(begun, tokens)))
            quality = [case.example.quality[place] or 0.0 for place in begun]
            views.append((_Kind(lettered, count, tokens), room([expected[place] for place in begun]), quality))
    read = iter(Forest(held.model).qualities(rows) if rows else ())
    for kind, space, quality in views:
        seen = [next(read) for _ in quality]
        yield _Chosen(kind, quality[seen.index(max(seen))] - quality[0], space)


def _share(chosen: Sequence[_Chosen]) -> float:
    """Returns the established part of the rise as a share of the room, its lower bound; 0 if there is none."""
    rises, rooms = np.array([each.rise for each in chosen]), np.array([each.room for each in chosen])
    whole = float(rooms.sum())
    if whole <= 0:
        return 0.0
    share = float(rises.sum()) / whole
    error = float((rises - share * rooms).std()) * len(chosen) ** 0.5 / whole
    # The planner takes the best of several shares, which chance alone would make too high.
    return round(float(min(max(share - _ERRORS * error, 0.0), 1.0)), 4)
