"""Fixtures of the suite tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite import exporting
from tests.suite.otlp import Received


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets, which pytest's own is not everywhere."""
    with tempfile.TemporaryDirectory(prefix="lr-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def received(tmp_path_factory: pytest.TempPathFactory) -> Received:
    """What an OTLP receiver got of a suite that ran, was asked and was stopped."""
    return exporting.exported(tmp_path_factory.mktemp("exporting"))
