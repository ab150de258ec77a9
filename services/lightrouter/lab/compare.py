"""Compares all policies on the same prompts at the same prices: quality, cost and confidence intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf import text_format

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies import lightrouter
from lightrouter.lab.policies.baselines.cascade import Cascade
from lightrouter.lab.policies.baselines.ensemble import (
    Blender,
    MixtureOfAgents,
    full_majority,
    full_weighted,
    prior_top,
)
from lightrouter.lab.policies.baselines.routing import NearestPrompts, PromptOnly
from lightrouter.lab.policies.baselines.single import BestSingle, Random, Single
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report import comparison
from lightrouter.lab.report.page import Findings
from lightrouter.lab.results.accounts import Pace
from lightrouter.lab.results.running import Progress
from lightrouter.lab.settings import RunSettings
from lightrouter.lab.study import Study

# A choice: the fewest answers of which a majority is more than one.
_PRIOR_TOP: Final = 3


@dataclass(frozen=True, slots=True)
class Settings(RunSettings):
    """The settings of a comparison.

    Attributes:
        artifact: A trained selector for LightRouter's policies; None: one is trained on the training prompts of each
            split.
        boots: Whether that training learns what boots give, so that routes under worth may begin with them.
        top_k: Most drafts that LightRouter's policies finish; None: the default of each policy.
        overshoot_tokens: Tokens that a held candidate without recorded times writes while the slowest one boots; None:
            see `Pace`.
    """

    artifact: Path | None = None
    boots: bool = False
    top_k: int | None = None
    overshoot_tokens: int | None = None


def compare(settings: Settings, progress: Progress) -> Findings:
    """Runs the comparison and writes its report; returns the findings.

    Raises:
        ArtifactError: The artifact cannot be used.
        DataError: The recordings cannot be compared on.
        RecordingError: A file cannot be read or used.
        PriceListError: The price list cannot be used.
        ResumeError: The folder holds parts of another run.
    """
    prices, data = settings.price_list(), settings.read()
    pace = Pace(overshoot_tokens=settings.overshoot_tokens) if settings.overshoot_tokens else Pace()
    study = Study(
        settings, progress, data, prices, artifact=settings.artifact, pace=pace, gains=True, boots=settings.boots
    )
    policies: dict[str, Policy] = {}

    def of_split(number: int, train: LabelledData) -> list[Policy]:
        policies.update({each.name: each for each in _policies(study, settings, number, train)})
        return list(policies.values())

    results = study.results(of_split)
    name, prompts = settings.data.name, f"{len(data.test):,} prompts"
    found = comparison.findings(f"{name}, {prompts}", study.models, policies, results, prices)
    title = f"{name}: quality against cost on {prompts}, {len(study.models)} models"
    head = {"data": name, "prompts": len(data.test)}
    return study.write(found, title, head, _notes(settings, data, policies))


def _policies(study: Study, settings: Settings, number: int, train: LabelledData) -> list[Policy]:
    """Returns new policies for split `number`; they learn from `train`."""
    model = study.trained.on(str(number), train)
    return [
        Random(settings.seed),
        *(Single(index, name) for index, name in enumerate(study.models)),
        BestSingle(),
        prior_top(min(_PRIOR_TOP, len(study.models))),
        NearestPrompts(),
        PromptOnly(),
        Cascade(),
        full_majority(),
        full_weighted(),
        MixtureOfAgents(),
        Blender(),
        *lightrouter.policies(study.prices, train, model, boot=settings.boot_tokens, top_k=settings.top_k),
    ]


def _notes(settings: Settings, data: Data, policies: Mapping[str, Policy]) -> Iterator[str]:
    """Yields what the figures are based on, one sentence each."""
    if costed := data.test.questions.costed:
        yield f"The recording has the cost of {', '.join(costed)}; a part of an answer costs its share of the tokens."
    learned = settings.train.name if settings.train else f"{settings.folds} folds of the same recording"
    yield f"Learned from: {learned}. No policy is tested on a prompt that it learned from. Equal prompts share a fold."
    yield "Intervals: 95 %, from 2,000 bootstrap resamples of the prompts, which are the same for all policies."
    yield (
        f"Seconds are simulated. If the recording has no times: {Pace().first_token_s:g} s to the first token, then "
        f"{Pace().tokens_per_second:g} tokens a second. Calls of one stage run concurrently."
    )
    pattern = data.test.questions.pattern
    yield f"Comparable answers: {pattern.re2 if pattern else 'none; whole texts are compared by their words'}."
    yield from lightrouter.NOTES
    for each in policies.values():
        if isinstance(each, Routed):
            yield f"{each.name} is the policy {text_format.MessageToString(each.policy, as_one_line=True)}"
