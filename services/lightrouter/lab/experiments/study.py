"""The inputs and the findings of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.boots import boot_tokens
from lightrouter.lab.policies.helpers import Helpers
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.accounts import Accounts, Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.parts import Parts
from lightrouter.lab.results.running import Policies, Progress, run
from lightrouter.lab.training.trained import Trained
from lightrouter.recording.prices import PriceList


@dataclass(frozen=True, slots=True)
class Study:
    """The inputs of an experiment.

    Attributes:
        data: The recording and its splits.
        prices: Prices of the models.
        accounts: Computes the outcomes of decisions.
        parts: Parts that are done already.
        progress: Shows the progress.
        seed: Decides every random choice.
        boot_tokens: Tokens that each candidate writes before the ranking; None: see `boot`.
        trained: The learned models.
        helpers: Real models that judge and merge; empty if none are configured.
        asked: Most prompts that a real model judges or merges; each takes seconds.
    """

    data: Data
    prices: PriceList
    accounts: Accounts
    parts: Parts
    progress: Progress
    seed: int
    boot_tokens: int | None
    trained: Trained
    helpers: Helpers
    asked: int

    @property
    def models(self) -> Sequence[str]:
        """The recorded models."""
        return self.data.test.questions.models

    @property
    def first_train(self) -> LabelledData:
        """The training prompts of the first split."""
        ((train, _), *_) = self.data.parts()
        return train

    def boot(self, train: LabelledData) -> int:
        """Returns B in tokens: the given value, or a share of the median answer in `train`."""
        return self.boot_tokens or boot_tokens(train)

    @property
    def bootstrap(self) -> Bootstrap:
        """Resamples of the test prompts."""
        return Bootstrap(self.data.test.questions.prompts, self.seed)

    def ranker(self, kind: str, boot_tokens: int, number: int, train: LabelledData, suffix: str = "") -> Routed:
        """Returns the route of split `number` that ranks by `kind`. See `rankers.ranker`."""
        model = self.trained.on(str(number), train)
        return ranker(kind, boot_tokens, train, self.prices, model, helpers=self.helpers, suffix=suffix)

    def outcomes(self, policies: Policies) -> dict[str, Outcomes]:
        """Returns the outcomes of policies on the test prompts, each fitted on the training prompts of its split."""
        return run(self.data, policies, self.accounts, self.parts, self.progress)


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of an experiment.

    Attributes:
        title: The title of the page.
        sentences: The findings, one or two sentences each.
        figures: Its plots.
        tables: Its tables.
        report: The figures for programs.
        notes: What the figures are based on, one sentence each.
        warnings: What the reader must not miss, one sentence each.
    """

    title: str
    sentences: Sequence[str]
    figures: Sequence[Figure]
    tables: Sequence[Table]
    report: Mapping[str, object]
    notes: Sequence[str] = field(default_factory=tuple)
    warnings: Sequence[str] = ()


class Experiment(Protocol):
    """A module with one experiment."""

    ABOUT: str

    def run(self, study: Study) -> Findings:
        """Runs the experiment."""
