"""Compares all policies on the same prompts at the same prices: quality, cost and confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies import lightrouter, oracle
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
from lightrouter.lab.report.comparison import Compared, as_json, as_page
from lightrouter.lab.report.page import write
from lightrouter.lab.results.accounts import Accounts, Pace
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.running import Progress, run
from lightrouter.lab.results.summary import Figures, summarize
from lightrouter.lab.settings import RunSettings
from lightrouter.lab.training.trained import Trained
from lightrouter.recording.prices import PriceList

_PRIOR_TOP = 3


@dataclass(frozen=True, slots=True)
class Settings(RunSettings):
    """The settings of a comparison.

    Attributes:
        artifact: A trained selector for LightRouter's policies; None: one is trained on the training prompts of each
            split.
        top_k: Most drafts that LightRouter's policies finish; None: the default of each policy.
    """

    artifact: Path | None = None
    top_k: int | None = None


def compare(settings: Settings, progress: Progress) -> Compared:
    """Runs the comparison, writes its report and returns its contents.

    Raises:
        DataError: The recordings cannot be compared on.
        RecordingError: A file cannot be read or used.
        PriceListError: The price list cannot be used.
        ResumeError: The folder holds parts of another run.
    """
    price_list, data = settings.price_list(), settings.read()
    parts = settings.parts()
    policies = _Policies(settings, data, price_list, Trained(parts, settings.seed, settings.artifact))
    outcomes = run(data, policies.of_split, Accounts(price_list, Pace()), parts, progress)
    figures = summarize(outcomes, Bootstrap(data.test.questions.prompts, settings.seed))
    compared = _compared(settings, data, policies, figures, settings.warnings(data, price_list))
    write(as_page(compared, price_list), as_json(compared, price_list), settings.out)
    return compared


class _Policies:
    """Makes the policies that are compared.

    Attributes:
        made: The policies of the last split.
    """

    def __init__(self, settings: Settings, data: Data, price_list: PriceList, trained: Trained) -> None:
        self._settings = settings
        self._models = data.test.questions.models
        self._prices = price_list
        self._trained = trained
        self.made: list[Policy] = []

    def of_split(self, number: int, train: LabelledData) -> list[Policy]:
        """Returns new policies for split `number`; they learn from `train`."""
        singles = [Single(index, model) for index, model in enumerate(self._models)]
        self.made = [
            Random(self._settings.seed),
            *singles,
            BestSingle(),
            prior_top(min(_PRIOR_TOP, len(self._models))),
            NearestPrompts(),
            PromptOnly(),
            Cascade(),
            full_majority(),
            full_weighted(),
            MixtureOfAgents(),
            Blender(),
            *self._own(number, train),
        ]
        return self.made

    def _own(self, number: int, train: LabelledData) -> Sequence[Policy]:
        model = self._trained.on(str(number), train)
        settings = self._settings
        return lightrouter.policies(self._prices, train, model, boot=settings.boot_tokens, top_k=settings.top_k)


def _compared(
    settings: Settings, data: Data, policies: _Policies, figures: Mapping[str, Figures], warnings: Sequence[str]
) -> Compared:
    learned = f"{settings.train.name}" if settings.train else f"{settings.folds} folds of the same recording"
    pattern = data.test.questions.pattern
    costed = data.test.questions.costed
    notes = [
        *warnings,
        *data.notes,
        *(
            (f"What {', '.join(costed)} cost is on the recording; of a part of an answer, its share.",)
            if costed
            else ()
        ),
        f"Learned from: {learned}; no policy is judged on a prompt that it has seen. Equal prompts are in one fold.",
        "Intervals: 95 %, percentiles of 2,000 bootstrap resamples of the prompts, the same ones for all policies.",
        _about_time(Pace()),
        f"Comparable answers: {pattern.re2 if pattern else 'none; whole texts are compared by their words'}.",
        *lightrouter.NOTES,
        *(
            f"{each.name} is the policy {text_format.MessageToString(each.policy, as_one_line=True)}"
            for each in policies.made
            if isinstance(each, Routed)
        ),
    ]
    return Compared(
        data=settings.data.name,
        prompts=len(data.test),
        models=data.test.questions.models,
        figures=figures,
        about={oracle.NAME: oracle.ABOUT, **{each.name: each.about for each in policies.made}},
        boot_tokens={oracle.NAME: 0, **{each.name: each.boot_tokens for each in policies.made}},
        lightrouter=[name for name in figures if name.startswith(lightrouter.PREFIX)],
        notes=notes,
        settings=settings.config(),
        command=settings.command,
        warnings=warnings,
    )


def _about_time(pace: Pace) -> str:
    return (
        f"Seconds are simulated: {pace.first_token_s:g} s to the first token and {pace.tokens_per_second:g} tokens a "
        "second where the recording has no times; calls of one stage run side by side."
    )
