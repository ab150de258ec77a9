"""Experiments on a recording: each is a module, a command and a page."""

from __future__ import annotations

import importlib
from typing import cast

from lightrouter.lab.experiments.study import Experiment


def load(name: str) -> Experiment:
    """Returns the experiment of that name."""
    return cast("Experiment", importlib.import_module(f"{__name__}.{name.replace('-', '_')}"))
