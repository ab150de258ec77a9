"""Trains what the answers after the first one come to, on whole routes over recorded answers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from lightrouter.lab.policies.lightrouter import WORTHS
from lightrouter.lab.training.cases import Case, Cases
from lightrouter.lab.training.gains import Sequences, Teacher, trees
from lightrouter.lab.training.quality import Held, Situation
from lightrouter.lab.training.worths import NANOUSD, Route
from lightrouter.learned.followups import row
from lightrouter.learned.gain import Gains
from lightrouter.recording.prices import PriceList
from lightrouter.router.stages.plan import MOST_ASKED
from lightrouter.v1.candidate_pb2 import Prices

# Routes of a prompt over all its candidates, and as many over a part of them: a choice, at three worths each.
_ROUTES: Final = 3
# Maximum prompts of a fold from which routes are learned: a choice, for the time.
_PROMPTS: Final = 1000
# The spread of the factor, as a logarithm, by which each candidate's price is changed on two of three routes: a choice.
# Other pools have other prices for the same models.
_PRICE_SPREAD: Final = 0.5
# The least and the largest worth, in US dollars: beyond both, nobody or everybody is asked for more.
_WORTHS: Final = (WORTHS[0] / 20, WORTHS[-1])


class Followed(NamedTuple):
    """The answers after the first one on a route.

    Attributes:
        row: The features of the route before anyone is asked.
        gain: The rise in quality of the picked answer.
        cost: What they cost, in units of `followups.row`.
        unit: That unit, in nano-dollars.
    """

    row: list[float]
    gain: float
    cost: float
    unit: float


def followed(cases: Cases, held: Held, gains: Gains, prices: PriceList, seed: int) -> Iterator[Followed]:
    """Yields routes at drawn worths and prices, on prompts that model and gains have not seen."""
    drawn = random.Random(seed)  # noqa: S311 - reproducible by intent, and no secret
    teacher = Teacher(held.model)
    listed = [prices.message(name) for name in cases.candidates]
    for index in held.indices[:: -(-len(held.indices) // _PROMPTS)]:
        case = cases.cases[index]
        for pool in (case, _part(case, drawn)):
            if len(pool.present) < 2:
                continue
            situation = Situation(pool, held.model.featurizer)
            sequences = Sequences(situation, teacher)
            for number in range(_ROUTES):
                spread = _PRICE_SPREAD if number else 0.0
                changed = [_scaled(each, math.exp(drawn.gauss(0, spread))) for each in listed]
                route = Route(cases, situation, sequences, gains, changed)
                worth = math.exp(drawn.uniform(*map(math.log, _WORTHS))) * NANOUSD
                yield _followed(route, sequences, gains, worth, drawn.randrange(1, MOST_ASKED))


def with_followups(gains: Gains, found: Sequence[Followed], seed: int) -> Gains:
    """Returns the gains with the trees that are learned from these routes."""
    rows = [each.row for each in found]
    cost = trees(rows, [each.cost for each in found], [each.unit for each in found], seed)
    gain = trees(rows, [each.gain for each in found], [1.0] * len(found), seed)
    return gains._replace(further_cost=cost, further_gain=gain)


def _followed(route: Route, sequences: Sequences, gains: Gains, worth: float, most: int) -> Followed:
    first, *further = route.walk(worth, 1 + most)
    features, unit = row(sequences.known, gains, route.offers(first), worth, most)
    booked = sum(map(route.booked, further))
    rise = sequences.picked(frozenset([first, *further])) - sequences.picked(frozenset([first]))
    return Followed(features, rise, booked / unit if unit else 0.0, unit)


def _part(case: Case, drawn: random.Random) -> Case:
    """Returns the prompt with a part of its candidates."""
    kept = drawn.sample(case.present, drawn.randint(min(2, len(case.present)), len(case.present)))
    quality = [each if place in kept else None for place, each in enumerate(case.example.quality)]
    return replace(case, example=replace(case.example, quality=quality))


def _scaled(prices: Prices, factor: float) -> Prices:
    found = Prices()
    found.CopyFrom(prices)
    for name in ("input_nanousd_per_million", "cached_input_nanousd_per_million", "output_nanousd_per_million"):
        setattr(found, name, round(getattr(prices, name) * factor))
    return found
