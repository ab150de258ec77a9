"""Fixtures of the suite tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets, which pytest's own is not everywhere."""
    with tempfile.TemporaryDirectory(prefix="lr-") as name:
        yield Path(name)
