"""A self-contained page: figures, tables, and what is needed to repeat the run."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jinja2

from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.runtime.files import replace as replace_file

INTERVALS: Final = "With 95 % intervals over prompts."
"""The caption of a plot with intervals."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot.

    Attributes:
        name: Name of its file, without extension.
        png: The picture.
        caption: What it shows, in one sentence.
    """

    name: str
    png: bytes
    caption: str

    @property
    def base64(self) -> str:
        """The picture for embedding in a page."""
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Attributes:
        title: Its heading.
        columns: Heads of its columns.
        rows: Its rows.
        note: What a reader must know; may be empty.
        marked: Indices of highlighted rows.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of a run, or of a part of one.

    Attributes:
        title: The title of the page.
        sentences: The findings, one or two sentences each.
        figures: Its plots.
        tables: Its tables.
        report: The figures for programs. Estimates become objects, numbers that are not measured null.
        notes: Definitions, and what the figures are based on, one sentence each.
        warnings: The notes that the reader must not miss.
        settings: What is needed to repeat the run.
        command: The command of the run.
    """

    title: str = ""
    sentences: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    command: str = ""

    def __add__(self, other: Findings) -> Findings:
        """Returns these findings, followed by those of another part of the same run."""
        return replace(
            self,
            sentences=[*self.sentences, *other.sentences],
            figures=[*self.figures, *other.figures],
            tables=[*self.tables, *other.tables],
            report={**self.report, **other.report},
            notes=[*self.notes, *other.notes],
        )


def write(findings: Findings, folder: Path) -> None:
    """Writes `report.json`, `report.html` and the plots as PNG into a folder, which is created if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in findings.figures:
        replace_file(folder / f"{figure.name}.png", figure.png)
    replace_file(folder / "report.html", _html(findings).encode())
    text = json.dumps(_plain(findings.report), indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(folder / "report.json", f"{text}\n".encode())


def _plain(value: object) -> object:
    """Returns a value as JSON has it: an estimate as an object, a number that is not measured as null."""
    if isinstance(value, Estimate):
        return value._asdict()
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _html(findings: Findings) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(page=findings)
