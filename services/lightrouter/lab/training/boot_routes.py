"""Routes over recorded answers with boots and without, at each worth of a curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lightrouter.lab.policies.lightrouter import WORTHS
from lightrouter.lab.results.accounts import Pace
from lightrouter.lab.training.cases import Case, Cases
from lightrouter.lab.training.gains import Sequences, Teacher
from lightrouter.lab.training.quality import Held, Situation
from lightrouter.lab.training.worths import NANOUSD, PROMPTS, Route
from lightrouter.learned.boots import BootShare
from lightrouter.learned.followups import Followups
from lightrouter.learned.gain import Gains
from lightrouter.learned.model import Model
from lightrouter.recording.prices import PriceList
from lightrouter.router.stages.plan import MOST_ASKED
from lightrouter.selector.boots import BootPlan
from lightrouter.selector.outright import boot_plan, first_steps
from lightrouter.v1.candidate_pb2 import ActionValue, CallTerms
from lightrouter.v1.selector_pb2 import ShortlistCandidate

# What a held call writes until the choice is known, in tokens: as in a comparison.
_OVERSHOOT: Final = Pace().overshoot_tokens
# Far above any recorded answer, so that no limit decides.
_MOST_TOKENS: Final = 131_072


class Outcome(NamedTuple):
    """What a route came to.

    Attributes:
        quality: Quality of the answer.
        cost: Nano-dollars of all calls.
        further: What the answers after the first one came to.
    """

    quality: float
    cost: float
    further: Followups


class Pair(NamedTuple):
    """A route that begins with a boot, and the one without.

    Attributes:
        worth: What a right answer is worth, in nano-dollars.
        plan: The boot.
        ask: The action of asking outright.
        further: What was expected of the answers after it.
        booted: What the route with the boot came to.
        outright: What the other one came to.
    """

    worth: int
    plan: BootPlan
    ask: ActionValue
    further: Followups
    booted: Outcome
    outright: Outcome

    def gain(self, further_gain: float, further_cost: float) -> float | None:
        """Returns what the boot gains, as a share of the worth; None if the planner would not begin with it.

        Args:
            further_gain: What answers after a boot add, as a share of those after an answer that was asked outright.
            further_cost: What they cost, likewise.
        """
        share = self.plan.share._replace(further_gain=further_gain, further_cost=further_cost)
        if not self.plan._replace(share=share).is_better(self.ask, self.further, self.worth):
            return None
        return self.booted.quality - self.outright.quality - (self.booted.cost - self.outright.cost) / self.worth


class Tried(NamedTuple):
    """A prompt, routed with boots and without.

    Attributes:
        prompt: The prompt.
        options: Whether it has lettered options.
        routes: Its routes at the worths at which a boot may be expected to pay.
    """

    prompt: str
    options: bool
    routes: Sequence[Pair]

    def paid(self, further_gain: float, further_cost: float) -> tuple[float, float]:
        """Returns the mean over all worths of what boots gain, and the share of them that begin with one."""
        gains = [gain for each in self.routes if (gain := each.gain(further_gain, further_cost)) is not None]
        return sum(gains) / len(WORTHS), len(gains) / len(WORTHS)


def tried(cases: Cases, held: Held, gains: Gains, shares: Sequence[BootShare], prices: PriceList) -> Iterator[Tried]:
    """Yields prompts that model, gains and shares have not seen."""
    seen, teacher = held.model, Teacher(held.model)
    model = Model(
        seen.priors, seen.trees, seen.gain_share, seen.linear, seen.pattern, gains, cases.characters_per_token
    )
    for index in held.indices[:: -(-len(held.indices) // PROMPTS)]:
        case = cases.cases[index]
        situation = Situation(case, seen.featurizer)
        booting = _Booting(cases, situation, teacher, model, prices)
        options = bool(seen.featurizer.question(case.text).options)
        own = [each for each in shares if each.options == options]
        pairs = [booting.pair(own, round(worth * NANOUSD)) for worth in WORTHS]
        yield Tried(case.text, options, [each for each in pairs if each])


class _Booting:
    """The routes of one prompt."""

    def __init__(self, cases: Cases, situation: Situation, teacher: Teacher, model: Model, prices: PriceList) -> None:
        assert model.gains is not None
        self._situation = situation
        self._teacher = teacher
        self._model = model
        self._sequences = Sequences(situation, teacher)
        listed = [prices.message(name) for name in cases.candidates]
        self._route = Route(cases, situation, self._sequences, model.gains, listed)
        self._places = {cases.candidates[place]: place for place in situation.case.present}
        self._offered = [
            ShortlistCandidate(
                candidate=name,
                terms=CallTerms(
                    prices=listed[place],
                    input_tokens=situation.case.read[place],
                    max_output_tokens=_MOST_TOKENS,
                    boot_tokens=_MOST_TOKENS,
                    overshoot_tokens=_OVERSHOOT,
                ),
            )
            for name, place in self._places.items()
        ]

    def pair(self, shares: Sequence[BootShare], worth: int) -> Pair | None:
        """Returns the routes at a worth; None if no boot may be expected to pay."""
        text = self._case.text
        ranked = first_steps(self._model, text, self._offered, worth, MOST_ASKED)
        plan = boot_plan(shares, ranked, self._offered, worth)
        if plan is None:
            return None
        ask = ranked[0].actions[0]
        begun = [self._places[each.candidate] for each in ranked[: plan.share.candidates]]
        further = Followups(ask.further_gain, ask.further_cost_nanousd)
        return Pair(worth, plan, ask, further, self._booted(begun, plan.share.tokens, worth), self._came(worth))

    @property
    def _case(self) -> Case:
        return self._situation.case

    def _booted(self, begun: Sequence[int], tokens: int, worth: int) -> Outcome:
        """Returns what a route comes to on which these candidates boot."""
        seen = self._teacher.forest.qualities(self._situation.rows(dict.fromkeys(begun, tokens)))
        best = begun[seen.index(max(seen))]
        came = self._came(worth, [best])
        lost = sum(self._route.booked(place, tokens + _OVERSHOOT) for place in begun if place != best)
        return came._replace(cost=came.cost + lost)

    def _came(self, worth: int, begun: Sequence[int] = ()) -> Outcome:
        """Returns what a route comes to that begins with the answers of these candidates."""
        asked = self._route.walk(worth, MOST_ASKED, begun)
        quality, costs = self._sequences.picked(frozenset(asked)), [self._route.booked(place) for place in asked]
        rise = quality - self._sequences.picked(frozenset(asked[:1]))
        return Outcome(quality, sum(costs), Followups(rise, sum(costs[1:])))
