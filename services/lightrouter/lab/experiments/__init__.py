"""Experiments on a recording: each is a module, a command and a page."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from lightrouter.lab.report.page import Findings
from lightrouter.lab.study import Study


class Experiment(Protocol):
    """A module with one experiment."""

    def run(self, study: Study) -> Findings:
        """Runs the experiment."""


def load(name: str) -> Experiment:
    """Returns the experiment of that name."""
    return cast("Experiment", importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
