"""Trains the learned selector on recorded outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Final

from lightrouter.lab.training.boots import boot_shares
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.followups import followed, with_followups
from lightrouter.lab.training.gains import fit_gains, steps
from lightrouter.lab.training.quality import TrainingOptions, cross_fitted, fit
from lightrouter.learned.artifact import Artifact
from lightrouter.learned.gain import Gains
from lightrouter.recording import prices as price_lists
from lightrouter.recording.prices import PriceList
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern

# A choice: gains learn from models of two thirds of the prompts, for the time that two more models take.
_FOLDS: Final = 3


def train(
    recordings: Sequence[LabelledRecording],
    options: TrainingOptions,
    seed: int,
    pattern: AnswerPattern | None = None,
    gains: Gains | None = None,
    prices: PriceList | None = None,
) -> Artifact:
    """Returns the trained artifact; the same for the same arguments.

    Without `pattern`, it is inferred from each recording's right answers. Without `gains`, they are learned here if the
    options say so, from routes near `prices`, None for those of the package.

    Raises:
        TrainingError: There is nothing to learn from.
    """
    cases = Cases.of(recordings, pattern)
    model = fit(cases, options, seed)
    model.characters_per_token = cases.characters_per_token
    model.gains = gains
    if options.gains and gains is None:
        model.gains = _gains(cases, options, seed, prices or price_lists.load())
    if options.gains and options.boots:
        model.boots = boot_shares(cases, options, seed)
    return Artifact(model, cases.sha256, metrics={}, options={**asdict(options), "seed": seed})


def _gains(cases: Cases, options: TrainingOptions, seed: int, prices: PriceList) -> Gains:
    held = list(cross_fitted(cases, options, seed, _FOLDS))
    samples = [list(steps(cases, each, seed)) for each in held]
    routes = [
        followed(cases, each, fit_gains([*samples[:number], *samples[number + 1 :]], seed), prices, seed)
        for number, each in enumerate(held)
    ]
    return with_followups(fit_gains(samples, seed), list(chain.from_iterable(routes)), seed)
