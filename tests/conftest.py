"""What holds for all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.clock import Clock
from tests.image.fixtures import bases, build, docker, image

__all__ = ["bases", "build", "docker", "image"]

# Machines differ in speed, and no test may depend on it.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Python's monotonic clock, to be put forward."""
    return Clock(monkeypatch)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Takes back what a service that a test starts in this process does to the root logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
