"""Trains what a plan under worth is made from: gains, the answers after the first one, and boots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from lightrouter.lab.training.boots import Paid, boots_of
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.followups import Followed, followed, with_followups
from lightrouter.lab.training.gains import Sample, fit_gains, steps
from lightrouter.lab.training.quality import Held, TrainingOptions, cross_fitted
from lightrouter.learned.boots import BootShare
from lightrouter.learned.gain import Gains
from lightrouter.recording.prices import PriceList

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


def fold_of(cases: Cases, held: Held, others: Iterable[Sequence[Sample]], prices: PriceList, seed: int) -> Fold:
    """Returns what is learned for a fold from the samples of the other folds."""
    gains = fit_gains(list(others), seed)
    return Fold(held, gains, list(followed(cases, held, gains, prices, seed)))


def whole_gains(folds: Sequence[Fold], seed: int) -> Iterator[Gains]:
    """Yields the gains for each fold with the answers after the first one, learned from the others."""
    for own in folds:
        further = chain.from_iterable(fold.further for fold in folds if fold is not own)
        yield with_followups(own.gains, list(further), seed)


def planned(
    cases: Cases,
    folds: Sequence[Fold],
    gains: Sequence[Gains],
    samples: Sequence[Sequence[Sample]],
    options: TrainingOptions,
    seed: int,
    prices: PriceList,
) -> Planning:
    """Returns what a plan is made from, learned from all folds.

    Args:
        cases: The prompts.
        folds: The folds.
        gains: The gains for each of them, as `whole_gains` yields them; only boots need them.
        samples: The samples of `gains.steps` in each fold.
        options: The settings.
        seed: Decides every random choice.
        prices: The prices.
    """
    further = list(chain.from_iterable(fold.further for fold in folds))
    found = Planning(with_followups(fit_gains(samples, seed), further, seed))
    if not options.boots:
        return found
    boots, paid = boots_of(cases, [fold.held for fold in folds], gains, prices, options.boot_tokens, seed)
    return found._replace(boots=boots, paid=paid)


def cross_planned(cases: Cases, options: TrainingOptions, seed: int, prices: PriceList) -> Planning:
    """Returns what a plan is made from, learned by models of folds that are made for it."""
    held = list(cross_fitted(cases, options, seed, _FOLDS))
    samples = [list(steps(cases, each, seed)) for each in held]
    folds = [
        fold_of(cases, each, [*samples[:number], *samples[number + 1 :]], prices, seed)
        for number, each in enumerate(held)
    ]
    gains = list(whole_gains(folds, seed)) if options.boots else []
    return planned(cases, folds, gains, samples, options, seed, prices)
