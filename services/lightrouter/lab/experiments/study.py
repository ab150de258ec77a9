"""What an experiment works with, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData
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
    """What an experiment works with.

    Attributes:
        data: The recording and how it is split.
        prices: What the models cost.
        accounts: Books what policies decide.
        parts: What is done already.
        progress: Who hears how far it is.
        seed: Decides every random choice.
        boot_tokens: Tokens that each candidate writes before the ranking; None: as training prompts suggest.
        trained: The models that are learned.
        helpers: Real models that judge and merge; none where none are configured.
        asked: Most prompts that a real model judges, or merges the drafts of: it takes seconds for each.
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
    def bootstrap(self) -> Bootstrap:
        """Resamples of the judged prompts."""
        return Bootstrap(self.data.test.questions.prompts, self.seed)

    def ranker(self, kind: str, boot_tokens: int, number: int, train: LabelledData, suffix: str = "") -> Routed:
        """Returns the route of the split of that number that ranks in this way. See `rankers.ranker`."""
        model = self.trained.on(str(number), train)
        return ranker(kind, boot_tokens, train, self.prices, model, helpers=self.helpers, suffix=suffix)

    def outcomes(self, policies: Policies) -> dict[str, Outcomes]:
        """Returns what comes of policies on the judged prompts, each fitted on the training prompts of its split."""
        return run(self.data, policies, self.accounts, self.parts, self.progress)


@dataclass(frozen=True, slots=True)
class Findings:
    """What an experiment found.

    Attributes:
        title: What the page is called.
        sentences: What was found, a sentence or two each.
        figures: Its plots.
        tables: Its tables.
        report: The same for programs.
        notes: What the figures rest on, a sentence each.
        warnings: What the reader must not miss, a sentence each.
    """

    title: str
    sentences: Sequence[str]
    figures: Sequence[Figure]
    tables: Sequence[Table]
    report: Mapping[str, object]
    notes: Sequence[str] = field(default_factory=tuple)
    warnings: Sequence[str] = ()


class Experiment(Protocol):
    """A module that is one experiment."""

    ABOUT: str

    def run(self, study: Study) -> Findings:
        """Runs it."""
