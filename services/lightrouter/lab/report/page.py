"""A self-contained page: figures, tables, and what is needed to repeat the run."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import jinja2


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
class Page:
    """The results of a comparison or an experiment.

    Attributes:
        title: Its title.
        findings: Its findings, one or two sentences each.
        figures: Its plots.
        tables: Its tables.
        notes: Definitions, and what is not measured.
        settings: What is needed to repeat the run.
        command: The command of the run.
    """

    title: str
    findings: Sequence[str]
    figures: Sequence[Figure]
    tables: Sequence[Table]
    notes: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    command: str = ""


def write(page: Page, report: Mapping[str, object], folder: Path) -> None:
    """Writes `report.json`, `report.html` and the plots as PNG into a folder, which is created if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in page.figures:
        (folder / f"{figure.name}.png").write_bytes(figure.png)
    (folder / "report.html").write_text(_html(page), encoding="utf-8")
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")


def _html(page: Page) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(page=page)
