"""Trains the learned selector on recorded outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.planning import Planning, cross_planned
from lightrouter.lab.training.quality import TrainingOptions, fit
from lightrouter.learned.artifact import Artifact
from lightrouter.recording import prices as price_lists
from lightrouter.recording.prices import PriceList
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern


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
