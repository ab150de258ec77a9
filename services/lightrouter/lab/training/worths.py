"""What a worth buys: the quality and the money of routes that ask one candidate, then one more if it is worth it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from lightrouter.lab.policies.lightrouter import WORTHS
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.gains import Sequences, Teacher
from lightrouter.lab.training.quality import Held, Situation
from lightrouter.learned.features import Candidate
from lightrouter.learned.followups import Offer, followups
from lightrouter.learned.gain import Gains
from lightrouter.learned.steps import Step
from lightrouter.recording.prices import PriceList
from lightrouter.router.stages.plan import MOST_ASKED, pays
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import Usage

PROMPTS: Final = 400
"""Maximum prompts of a fold on which routes are traced: a choice, more would only narrow their band."""
NANOUSD: Final = 1e9
"""Nano-dollars of a dollar."""


class Point(NamedTuple):
    """A point of the curve of quality over money; means of prompts.

    Attributes:
        worth_usd: What a right answer is worth, in US dollars.
        quality: Quality of the answer, with its 95 % interval.
        booked_usd: US dollars of a prompt.
        planned_usd: US dollars that its calls were expected to cost, each before it was made.
        quoted_usd: US dollars that the whole route was expected to cost, before its first call.
        asked: Candidates that were asked.
        error: The standard error of the quality.
    """

    worth_usd: float
    quality: Estimate
    booked_usd: float
    planned_usd: float
    quoted_usd: float
    asked: float
    error: float

    @property
    def row(self) -> dict[str, object]:
        """The point as values of an artifact's metrics; dollars are for 1,000 prompts."""
        return {
            "worth_usd": self.worth_usd,
            "quality": [round(value, 4) for value in self.quality],
            "usd_per_1000": round(1000 * self.booked_usd, 4),
            "planned_usd_per_1000": round(1000 * self.planned_usd, 4),
            "quoted_usd_per_1000": round(1000 * self.quoted_usd, 4),
            "asked": round(self.asked, 2),
        }


class Bought(NamedTuple):
    """What a worth buys on one prompt.

    Attributes:
        quality: Quality of the answer.
        planned_usd: What the calls were expected to cost, each before it was made.
        quoted_usd: What the whole route was expected to cost, before its first call.
        booked_usd: What they cost.
        asked: Candidates that were asked.
    """

    quality: float
    planned_usd: float
    quoted_usd: float
    booked_usd: float
    asked: float


def bought(cases: Cases, held: Held, gains: Gains, prices: PriceList) -> dict[int, list[Bought]]:
    """Returns what each of `WORTHS` buys, by the index of the prompt, on prompts that model and gains have not seen."""
    found: dict[int, list[Bought]] = {}
    teacher = Teacher(held.model)
    listed = [prices.message(name) for name in cases.candidates]
    for index in held.indices[:: -(-len(held.indices) // PROMPTS)]:
        situation = Situation(cases.cases[index], held.model.featurizer)
        route = Route(cases, situation, Sequences(situation, teacher), gains, listed)
        found[index] = [route.bought(worth * NANOUSD) for worth in WORTHS]
    return found


def curve(prompts: Sequence[Sequence[Bought]], texts: Sequence[str], seed: int) -> list[Point]:
    """Returns the curve over `WORTHS`, from what each of them buys on each of these prompts."""
    figures = np.array(prompts, dtype=np.float64)
    qualities = Bootstrap(texts, seed).estimate(figures[:, :, 0])
    error = figures[:, :, 0].std(axis=0) / len(figures) ** 0.5
    return [
        Point(worth, quality, float(booked), float(planned), float(quoted), float(asked), float(spread))
        for worth, quality, (_, planned, quoted, booked, asked), spread in zip(
            WORTHS, qualities, figures.mean(axis=0), error, strict=True
        )
    ]


def recommended(points: Sequence[Point]) -> Point:
    """Returns the point with the least worth whose quality is within one standard error of the best quality.

    This is the rule by which a tree is pruned in "Classification and Regression Trees" (Breiman et al., 1984): the
    simplest model, here the cheapest, among those that cannot be told from the best.
    """
    best = max(points, key=lambda each: each.quality.mean)
    return next(each for each in points if each.quality.mean >= best.quality.mean - best.error)


class Route:
    """The routes of one prompt. Each state is computed once.

    Attributes:
        names: The candidates, by their positions.
    """

    def __init__(
        self, cases: Cases, situation: Situation, sequences: Sequences, gains: Gains, prices: Sequence[Prices]
    ) -> None:
        """Takes a prompt and the answers to it, in whatever order; `prices` are the candidates'."""
        self.names = cases.candidates
        self._case = situation.case
        self._priors = situation.featurizer.priors
        self._neighbours = situation.featurizer.question(situation.case.text).neighbours
        self._sequences = sequences
        self._gains = gains
        self._prices = prices
        self._ratio = cases.characters_per_token
        self._steps: dict[frozenset[int], dict[int, Step]] = {}

    def bought(self, worth: float) -> Bought:
        """Returns what a worth in nano-dollars buys."""
        asked = self.walk(worth, MOST_ASKED)
        planned = sum(self.open(frozenset(asked[:number]))[place].cost for number, place in enumerate(asked))
        booked, quoted = sum(map(self.booked, asked)), self._quoted(asked[0], worth)
        quality = self._sequences.picked(frozenset(asked))
        return Bought(quality, planned / NANOUSD, quoted / NANOUSD, booked / NANOUSD, len(asked))

    def walk(self, worth: float, most: int, begun: Sequence[int] = ()) -> list[int]:
        """Returns the positions of the candidates that are asked for a worth in nano-dollars, at most `most`.

        Those in `begun` are asked before the others.
        """
        asked = list(begun)
        while len(asked) < most:
            steps = self.open(frozenset(asked))
            place = max(steps, key=lambda place: steps[place].value(worth), default=None)
            if place is None or (asked and not pays(steps[place].value(worth))):
                break
            asked.append(place)
        return asked

    def open(self, state: frozenset[int]) -> dict[int, Step]:
        """Returns the steps that can be taken after these candidates have answered, by the candidates' positions."""
        if state not in self._steps:
            self._steps[state] = {place: self._step(place, row) for place, row in self._sequences.rows(state).items()}
        return self._steps[state]

    def offers(self, first: int) -> list[Offer]:
        """Returns the candidate that is asked first, then all others, with what their answers are expected to cost."""
        costs = {place: float(step.cost) for place, step in self.open(frozenset()).items()}
        places = [first, *(place for place in costs if place != first)]
        return [Offer(Candidate(self.names[place], 0.0, 0), costs[place]) for place in places]

    def _quoted(self, first: int, worth: float) -> float:
        """Returns what a route is expected to cost, in nano-dollars, before its first call."""
        offers = self.offers(first)
        further = followups(self._sequences.known, self._gains, offers, worth, MOST_ASKED - 1)
        return offers[0].cost + (further.cost if further else 0.0)

    def booked(self, place: int, most: float = math.inf) -> int:
        """Returns what the answer of a candidate cost, in nano-dollars, if it wrote at most so many tokens."""
        return self._cost(place, min(self._case.tokens[place], most))

    def _step(self, place: int, row: Sequence[float]) -> Step:
        name = self._priors.candidates[place]
        length = self._priors.expected_length(name, self._neighbours) or 0.0
        tokens = self._gains.length_share(row) * length / self._ratio.get(name, 1.0)
        return Step(self._gains.gain(row), self._cost(place, tokens))

    def _cost(self, place: int, output_tokens: float) -> int:
        usage = Usage(input_tokens=self._case.read[place], output_tokens=round(output_tokens))
        return cost_nanousd(self._prices[place], usage)
