"""Runs an experiment and writes its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

from lightrouter.lab import experiments
from lightrouter.lab.policies import helpers
from lightrouter.lab.report.page import Findings
from lightrouter.lab.results.running import Progress
from lightrouter.lab.settings import RunSettings
from lightrouter.lab.study import Study
from lightrouter.recording.recording import pool_names

_TERMS: Final = (
    (
        "quality: of the answer that is given, 0 to 1, by the recording's labels; 95 %: the interval of the figure "
        "before it, by the bootstrap over prompts; $ / 1,000: US dollars for 1,000 prompts, for all that was read "
        "and written; of full: output tokens of all calls as a share of those of all candidates' whole answers; mean "
        "k: answers that were finished."
    ),
    (
        "best-single: every prompt goes to the model that is best on the training prompts; differences to it are "
        "paired by prompt. oracle: a policy that knows the labels."
    ),
)


@dataclass(frozen=True, slots=True)
class Settings(RunSettings):
    """The settings of an experiment. Its defaults are choices.

    Attributes:
        name: Name of the experiment.
        folds: Number of folds if there is no `train`.
        models: A pool file with real models that judge and merge; None: none.
        local_model: Whether the small local model judges and merges, if there are no `models`.
        asked: Most prompts that a real model judges or merges.
    """

    name: str = field(kw_only=True)
    folds: int = 3
    models: Path | None = None
    local_model: bool = False
    asked: int = 20


def experiment(settings: Settings, progress: Progress) -> Findings:
    """Runs the experiment and writes `report.json`, `report.html` and the plots; returns the findings.

    Raises:
        DataError: The recordings cannot be used for it.
        HelpersError: The real models cannot be started or used.
        RecordingError: A file cannot be read or used.
        PriceListError: The price list cannot be used.
        ResumeError: The folder holds parts of another run.
    """
    prices, data = settings.price_list(), settings.read()
    recorded = list(pool_names(data.test.questions.models).values())
    with helpers.opened(settings.models, recorded, local=settings.local_model) as models:
        study = Study(settings, progress, data, prices, helpers=models, asked=settings.asked)
        run: Callable[[Study], Findings] = resolve_name(f"{experiments.__name__}.{settings.name.replace('-', '_')}:run")
        found = run(study)
    name = settings.data.name
    head = {"experiment": settings.name, "data": name, "prompts": len(data.test), "findings": found.sentences}
    return study.write(found, f"{name}: {found.title}", head, [*found.notes, *_TERMS])
