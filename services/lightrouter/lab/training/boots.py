"""Trains what a boot gives, and keeps it only if it pays on whole routes; on prompts that nothing was learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, product
from typing import Final, NamedTuple

import numpy as np

from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.training.boot_routes import Tried, tried
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.forest import Forest
from lightrouter.lab.training.quality import Held, Situation
from lightrouter.learned.boots import BootShare, room
from lightrouter.learned.gain import Gains
from lightrouter.recording.prices import PriceList

# A choice: more candidates that begin cost more, and the rise beyond three is small.
_CANDIDATES: Final = (2, 3)
# The standard errors from a share to its lower bound: the two-sided 95 % of a normal distribution.
_ERRORS: Final = 1.96


class Paid(NamedTuple):
    """What boots come to on the routes of one kind of prompt.

    Attributes:
        options: Whether the prompts have lettered options.
        prompts: The prompts.
        begun: The share of their routes, at all worths, that begin with a boot.
        gain: The mean rise in quality, less the rise in cost as a share of the worth; with its 95 % interval.
    """

    options: bool
    prompts: int
    begun: float
    gain: Estimate

    @property
    def kept(self) -> bool:
        """Whether it is established that boots pay."""
        return self.gain.low > 0

    @property
    def row(self) -> dict[str, object]:
        """The figures as values of an artifact's metrics."""
        gain = [round(value, 5) for value in self.gain]
        found = {"options": self.options, "prompts": self.prompts, "begun": round(self.begun, 4)}
        return found | {"gain": gain, "kept": self.kept}


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


def boots_of(
    cases: Cases,
    held: Sequence[Held],
    gains: Sequence[Gains],
    prices: PriceList,
    lengths: Sequence[int],
    seed: int,
) -> tuple[list[BootShare], list[Paid]]:
    """Returns what boots give on the kinds of prompts on which they pay, and what they come to on each kind.

    Args:
        cases: The prompts.
        held: The prompts of each fold, with a model that has not seen them.
        gains: The gains for each fold, which have not seen its prompts either, with the answers after the first one.
        prices: The prices.
        lengths: The lengths of boots in tokens.
        seed: Decides the resamples of the intervals.
    """
    chosen = [list(_choices(cases, each, lengths)) for each in held]
    routes = [
        list(tried(cases, each, gains[number], _shares(_others(chosen, number)), prices))
        for number, each in enumerate(held)
    ]
    paid = [_paid(routes, options, seed) for options in (True, False)]
    further = {each.options: _further(chain.from_iterable(routes), each.options) for each in paid if each and each.kept}
    shares = [
        each._replace(further_gain=further[each.options][0], further_cost=further[each.options][1])
        for each in _shares(chain.from_iterable(chosen))
        if each.options in further
    ]
    return shares, [each for each in paid if each]


def _others(folds: Sequence[Sequence[_Chosen]], own: int) -> Iterator[_Chosen]:
    return chain.from_iterable(fold for number, fold in enumerate(folds) if number != own)


def _shares(chosen: Iterable[_Chosen]) -> list[BootShare]:
    """Returns what boots of each kind give."""
    found: dict[_Kind, list[_Chosen]] = {}
    for each in chosen:
        found.setdefault(each.kind, []).append(each)
    return [BootShare(*kind, _share(found[kind])) for kind in sorted(found)]


def _paid(folds: Sequence[Sequence[Tried]], options: bool, seed: int) -> Paid | None:
    """Returns what boots come to on one kind of prompt; None if there is no such prompt."""
    texts: list[str] = []
    found: list[tuple[float, float]] = []
    for number, fold in enumerate(folds):
        others = chain.from_iterable(other for place, other in enumerate(folds) if place != number)
        further = _further(others, options)
        for each in fold:
            if each.options == options:
                texts.append(each.prompt)
                found.append(each.paid(*further))
    if not found:
        return None
    columns = np.array(found, dtype=np.float64)
    (gain,) = Bootstrap(texts, seed).estimate(columns[:, :1])
    return Paid(options, len(texts), float(columns[:, 1].mean()), gain)


def _further(prompts: Iterable[Tried], options: bool) -> tuple[float, float]:
    """Returns gain and cost of the answers after a boot, as shares of those after an answer asked outright."""
    routes = [route for each in prompts if each.options == options for route in each.routes]
    pairs = [(route.booted.further, route.outright.further) for route in routes]
    sums = np.array([(*booted, *outright) for booted, outright in pairs] or [(0.0,) * 4], dtype=np.float64).sum(axis=0)
    gain, cost = (
        float(min(max(booted / outright, 0.0), 1.0)) if outright > 0 else 0.0
        for booted, outright in zip(sums[:2], sums[2:], strict=True)
    )
    return round(gain, 4), round(cost, 4)


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
