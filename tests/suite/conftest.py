"""Fixtures of the suite tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightrouter.localmodel.download import ModelUnavailableError, fetch_model
from tests.suite import exporting, rig
from tests.suite.otlp import Received
from tests.suite.up_support import pool_text, upstream


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets, which pytest's own is not everywhere."""
    with tempfile.TemporaryDirectory(prefix="lr-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def received(tmp_path_factory: pytest.TempPathFactory) -> Received:
    """What an OTLP receiver got of a suite that ran, was asked and was stopped."""
    return exporting.exported(tmp_path_factory.mktemp("exporting"))


@pytest.fixture(params=[rig.running, rig.one_process], ids=["services", "one-process"])
def running(request: pytest.FixtureRequest) -> rig.Run:
    """Runs a suite, in each of the two ways."""
    run: rig.Run = request.param
    return run


@pytest.fixture(scope="module")
def small_model() -> Path:
    """The file of the small local model; without it a test is skipped, but fails on CI."""
    try:
        return fetch_model()
    except ModelUnavailableError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"the local model cannot be had: {error}")


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The root URL of an upstream whose models all answer."""
    with upstream() as url:
        yield url


@pytest.fixture
def pool(tmp_path: Path, base_url: str) -> Path:
    """A pool file with two of its models."""
    path = tmp_path / "pool.yaml"
    path.write_text(pool_text(base_url, "alpha", "beta"))
    return path
