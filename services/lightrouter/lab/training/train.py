"""Trains the learned selector on recorded outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Final, NamedTuple

from lightrouter.lab.training.boots import Paid, boots_of
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.followups import Followed, followed, with_followups
from lightrouter.lab.training.gains import Sample, fit_gains, steps
from lightrouter.lab.training.quality import Held, TrainingOptions, cross_fitted, fit
from lightrouter.learned.artifact import Artifact
from lightrouter.learned.boots import BootShare
from lightrouter.learned.gain import Gains
from lightrouter.recording import prices as price_lists
from lightrouter.recording.prices import PriceList
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern

# A choice: gains learn from models of two thirds of the prompts, for the time that two more models take.
_FOLDS: Final = 3


class Planning(NamedTuple):
    """What a plan under worth is made from.

    Attributes:
        gains: The gains of answers.
        boots: What boots give; empty if they do not pay.
        paid: What boots come to on whole routes; empty if they were not tried.
    """

    gains: Gains
    boots: Sequence[BootShare] = ()
    paid: Sequence[Paid] = ()


class Fold(NamedTuple):
    """What is learned for the prompts of one fold.

    Attributes:
        held: The prompts, with a model that has not seen them.
        gains: Gains that have not seen them.
        further: Routes on them, by both.
    """

    held: Held
    gains: Gains
    further: Sequence[Followed]


def train(
    recordings: Sequence[LabelledRecording],
    options: TrainingOptions,
    seed: int,
    pattern: AnswerPattern | None = None,
    planning: Planning | None = None,
    prices: PriceList | None = None,
) -> Artifact:
    """Returns the trained artifact; the same for the same arguments.

    Args:
        recordings: What is learned from.
        options: The settings.
        seed: Decides every random choice.
        pattern: The pattern of the comparable answer; None: inferred from each recording's right answers.
        planning: What was learned of plans on these prompts; None: it is learned here, if the options say so.
        prices: The prices near which routes are learned from; None: those of the package.

    Raises:
        TrainingError: There is nothing to learn from.
    """
    cases = Cases.of(recordings, pattern)
    model = fit(cases, options, seed)
    model.characters_per_token = cases.characters_per_token
    if options.gains and planning is None:
        planning = cross_planned(cases, options, seed, prices or price_lists.load())
    if planning:
        model.gains, model.boots = planning.gains, planning.boots
    return Artifact(model, cases.sha256, metrics={}, options={**asdict(options), "seed": seed})


def planned(
    cases: Cases,
    folds: Sequence[Fold],
    samples: Sequence[Sequence[Sample]],
    options: TrainingOptions,
    seed: int,
    prices: PriceList,
) -> Planning:
    """Returns what a plan is made from, learned from all folds and their samples of `gains.steps`."""
    gains = with_followups(fit_gains(samples, seed), list(chain.from_iterable(fold.further for fold in folds)), seed)
    if not options.boots:
        return Planning(gains)
    whole = [
        with_followups(own.gains, list(chain.from_iterable(fold.further for fold in folds if fold is not own)), seed)
        for own in folds
    ]
    held = [fold.held for fold in folds]
    return Planning(gains, *boots_of(cases, held, whole, prices, options.boot_tokens, seed))


def cross_planned(cases: Cases, options: TrainingOptions, seed: int, prices: PriceList) -> Planning:
    """Returns what a plan is made from, learned by models of folds that are made for it."""
    held = list(cross_fitted(cases, options, seed, _FOLDS))
    samples = [list(steps(cases, each, seed)) for each in held]
    folds: list[Fold] = []
    for number, each in enumerate(held):
        gains = fit_gains([*samples[:number], *samples[number + 1 :]], seed)
        folds.append(Fold(each, gains, list(followed(cases, each, gains, prices, seed))))
    return planned(cases, folds, samples, options, seed, prices)
