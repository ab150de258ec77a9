"""A study: a recording and its splits, on which policies are run and measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import Floats, LabelledData
from lightrouter.lab.policies.boots import boot_tokens
from lightrouter.lab.policies.helpers import NO_HELPERS, Helpers
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report.page import Findings, write
from lightrouter.lab.results.accounts import Accounts, Outcomes, Pace
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.figures import Results
from lightrouter.lab.results.running import Policies, Progress, Runner
from lightrouter.lab.settings import RunSettings
from lightrouter.lab.training.trained import Trained
from lightrouter.recording.prices import PriceList


class Study:
    """A recording and its splits.

    Attributes:
        data: The recording and its splits.
        prices: Prices of the models.
        parts: The finished parts of the run.
        progress: Shows the progress.
        seed: Decides every random choice.
        boot_tokens: Tokens that each candidate writes before the ranking; None: see `boot`.
        trained: The learned models.
        helpers: Real models that judge and merge; empty if none are configured.
        asked: Most prompts that a real model judges or merges; each takes seconds.
    """

    def __init__(
        self,
        settings: RunSettings,
        progress: Progress,
        data: Data,
        prices: PriceList,
        *,
        artifact: Path | None = None,
        helpers: Helpers = NO_HELPERS,
        asked: int = 0,
        pace: Pace | None = None,
        gains: bool = False,
        boots: bool = False,
    ) -> None:
        """Opens the folder of the finished parts.

        A selector is trained on the training prompts of each split, with `gains` for policies under worth, and `boots`
        for those that may begin with boots, unless there is an `artifact`. `pace` is the assumed speed of models whose
        times are not recorded.

        Raises:
            ArtifactError: The artifact cannot be used.
            ResumeError: The folder holds parts of another run.
        """
        self.data = data
        self.prices = prices
        self.parts = settings.parts()
        self.progress = progress
        self.seed = settings.seed
        self.boot_tokens = settings.boot_tokens
        self.trained = Trained(self.parts, settings.seed, artifact, gains=gains, boots=boots)
        self.helpers = helpers
        self.asked = asked
        self._settings = settings
        self._runner = Runner(Accounts(prices, pace or Pace()), self.parts, progress)

    @property
    def models(self) -> Sequence[str]:
        """The recorded models."""
        return self.data.test.questions.models

    @cached_property
    def first_train(self) -> LabelledData:
        """The training prompts of the first split."""
        ((train, _), *_) = self.data.parts()
        return train

    @cached_property
    def priors(self) -> Floats:
        """The mean quality of each model on the training prompts of the first split."""
        return np.asarray(self.first_train.quality.mean(axis=0), dtype=float)

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Resamples of the test prompts."""
        return Bootstrap(self.data.test.questions.prompts, self.seed)

    def boot(self, train: LabelledData) -> int:
        """Returns B in tokens: the given value, or a share of the median answer in `train`."""
        return self.boot_tokens or boot_tokens(train)

    def ranker(self, kind: str, boot_tokens: int, number: int, train: LabelledData, suffix: str = "") -> Routed:
        """Returns the route of split `number` that ranks by `kind`. See `rankers.ranker`."""
        model = self.trained.on(str(number), train)
        return ranker(kind, boot_tokens, train, self.prices, model, helpers=self.helpers, suffix=suffix)

    def outcomes(self, policies: Policies, data: Data | None = None) -> dict[str, Outcomes]:
        """Returns the outcomes of policies on the test prompts, each fitted on the training prompts of its split.

        `data` has other prompts and splits; None: those of the study.
        """
        return self._runner.run(data or self.data, policies)

    def results(self, policies: Policies, data: Data | None = None) -> Results:
        """Returns the outcomes with their figures. See `outcomes`; other data must have the study's prompts."""
        return Results(self.outcomes(policies, data), self.bootstrap)

    def write(self, found: Findings, title: str, head: Mapping[str, object], notes: Iterable[str]) -> Findings:
        """Writes the findings with everything else that a reader needs, and returns all of it.

        The report for programs begins with `head`; `notes` are definitions, and what the figures are based on.
        """
        settings, questions = self._settings, self.data.test.questions
        warnings = list(self.prices.complaints(questions.models, questions.costed))
        notes, config = [*warnings, *self.data.notes, *notes], settings.config()
        report = {**head, **found.report, "notes": notes, "settings": config, "command": settings.command}
        whole = replace(
            found,
            title=title,
            report=report,
            notes=notes,
            warnings=warnings,
            settings=config,
            command=settings.command,
        )
        write(whole, settings.out)
        return whole
