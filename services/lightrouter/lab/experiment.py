"""Runs an experiment and writes its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from lightrouter.lab import data as datasets
from lightrouter.lab import experiments, helpers, prices
from lightrouter.lab.accounts import Accounts, Pace
from lightrouter.lab.page import Page, write
from lightrouter.lab.parts import Parts, decisive
from lightrouter.lab.running import Progress
from lightrouter.lab.study import Findings, Study
from lightrouter.lab.trained import Trained
from lightrouter.recording.recording import pool_names
from lightrouter.v1.policy_pb2 import AnswerPattern


@dataclass(frozen=True, slots=True)
class Settings:
    """What an experiment is told.

    Attributes:
        name: The experiment.
        data: The recording that is judged on.
        out: Folder of the page.
        train: Another recording to learn from; None: folds of `data`.
        models: A pool file with real models that judge and merge; None: none.
        boot_tokens: Tokens that each candidate writes before the ranking; None: as training prompts suggest.
        folds: How many folds, where there is no `train`.
        seed: Decides every random choice.
        limit: Most prompts that are judged on; None: all.
        prices: A price list over that of the package.
        answer_pattern: An RE2 pattern of the comparable answer; None: inferred from the right answers.
        resume: Whether a run that was broken off is gone on with.
        command: The command line that asked for it.
    """

    name: str
    data: Path
    out: Path
    train: Path | None = None
    models: Path | None = None
    boot_tokens: int | None = None
    folds: int = 3
    seed: int = 0
    limit: int | None = None
    prices: Path | None = None
    answer_pattern: str | None = None
    resume: bool = False
    command: str = ""


def experiment(settings: Settings, progress: Progress) -> Findings:
    """Runs the experiment and writes `report.json`, `report.html` and the plots; returns what it found.

    Raises:
        DataError: The recordings cannot be used for it.
        HelpersError: The pool file of real models cannot be used.
        RecordingError: A file cannot be read or used.
        PriceListError: The price list cannot be used.
        ResumeError: What is there is of another run.
    """
    price_list = prices.load(settings.prices)
    pattern = AnswerPattern(re2=settings.answer_pattern) if settings.answer_pattern else None
    data = datasets.read(settings.data, settings.train, settings.folds, settings.seed, settings.limit, pattern)
    told = decisive(asdict(settings))
    parts = Parts(settings.out / "parts", told, resume=settings.resume)
    study = Study(
        data=data,
        prices=price_list,
        accounts=Accounts(price_list, Pace()),
        parts=parts,
        progress=progress,
        seed=settings.seed,
        boot_tokens=settings.boot_tokens,
        trained=Trained(parts, settings.seed),
        helpers=helpers.load(settings.models, list(pool_names(data.test.questions.models).values())),
    )
    findings = experiments.load(settings.name).run(study)
    _write(settings, data, findings, {key: value for key, value in told.items() if value is not None})
    return findings


def _write(settings: Settings, data: datasets.Data, findings: Findings, told: Mapping[str, object]) -> None:
    notes = [*data.notes, *findings.notes]
    page = Page(
        title=f"{settings.data.name}: {findings.title}",
        findings=findings.sentences,
        figures=findings.figures,
        tables=findings.tables,
        notes=notes,
        settings=told,
        command=settings.command,
    )
    report = {
        "experiment": settings.name,
        "data": settings.data.name,
        "prompts": len(data.test),
        "findings": list(findings.sentences),
        **findings.report,
        "notes": notes,
        "settings": dict(told),
        "command": settings.command,
    }
    write(page, report, settings.out)
