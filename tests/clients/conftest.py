"""The suite that the clients call, and the image that they are generated from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients import toolchain


@pytest.fixture(scope="session")
def image() -> Path:
    """Builds the image of the protos, with their imports, and returns its file."""
    path = toolchain.BUILD / "lightrouter.binpb"
    toolchain.run([sys.executable, "tools/protos.py", "--image", path])
    return path


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Starts the suite; returns the router's HOST:PORT."""
    folder = tmp_path_factory.mktemp("suite")
    ready = folder / "ready"
    server = subprocess.Popen([sys.executable, "/tmp/stopgap.py", str(ready)], env={"PYTHONPATH": "services"})
    while not ready.exists():
        assert server.poll() is None
    yield ready.read_text().strip()
    server.terminate()
    server.wait(10)
