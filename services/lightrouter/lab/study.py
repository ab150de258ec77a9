"""A study: a recording and its splits, on which policies are run and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.boots import boot_tokens
from lightrouter.lab.policies.helpers import NO_HELPERS, Helpers
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.results.accounts import Accounts, Outcomes, Pace
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.figures import Figures, summarize
from lightrouter.lab.results.running import Policies, Progress, run
from lightrouter.lab.settings import RunSettings
from lightrouter.lab.training.trained import Trained
from lightrouter.recording.prices import PriceList


class Study:
    """A recording and its splits.

    Attributes:
        data: The recording and its splits.
        prices: Prices of the models.
        accounts: Computes the outcomes of decisions.
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
    ) -> None:
        """Opens the folder of the finished parts.

        Args:
            settings: The settings of the run.
            progress: Shows the progress.
            data: The recording and its splits.
            prices: Prices of the models.
            artifact: A trained selector; None: one is trained on the training prompts of each split.
            helpers: Real models that judge and merge.
            asked: Most prompts that a real model judges or merges.
            pace: The assumed speed of models whose times are not recorded; None: see `Pace`.

        Raises:
            ArtifactError: The artifact cannot be used.
            ResumeError: The folder holds parts of another run.
        """
        self.data = data
        self.prices = prices
        self.accounts = Accounts(prices, pace or Pace())
        self.parts = settings.parts()
        self.progress = progress
        self.seed = settings.seed
        self.boot_tokens = settings.boot_tokens
        self.trained = Trained(self.parts, settings.seed, artifact)
        self.helpers = helpers
        self.asked = asked

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

        Args:
            policies: Makes the policies of each split.
            data: Other prompts and splits; None: those of the study.
        """
        return run(data or self.data, policies, self.accounts, self.parts, self.progress)

    def figures(self, outcomes: Mapping[str, Outcomes]) -> dict[str, Figures]:
        """Returns the figures of the policies with these outcomes on the test prompts."""
        return summarize(outcomes, self.bootstrap)
