"""The suite as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import toolchain

# The candidate that merges the drafts of all; what it writes is the answer.
SYNTHESIZER = "ada"
CANDIDATES = (SYNTHESIZER, "bob")
STOP_SECONDS = 20


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Starts the whole suite, as a user does, over an upstream that answers at once; yields the router's HOST:PORT."""
    folder = tmp_path_factory.mktemp("suite")
    pool = folder / "pool.yaml"
    up = ("lightrouter.cli", "up", "--pool", str(pool), "--listen", "127.0.0.1:0")
    with module("tests.load.upstream", log=folder / "upstream.log") as port:
        candidates = [candidate(name, port) for name in CANDIDATES]
        # JSON is YAML.
        pool.write_text(json.dumps({"candidates": candidates, "synthesizer": SYNTHESIZER}))
        with module(*up, log=folder / "suite.log") as ready:
            yield ready.removeprefix("ready: ")


def candidate(name: str, port: str) -> dict[str, object]:
    """Returns a candidate's entry in the pool file."""
    return {
        "name": name,
        "base_url": f"http://127.0.0.1:{port}/v1",
        "model": name,
        "prices": {"input": "0.15", "output": "0.60"},
    }


@contextmanager
def module(*arguments: str, log: Path) -> Iterator[str]:
    """Runs `python -m`, yields the first line that it prints, with which it says that it is ready, and ends it."""
    environment = {**os.environ, "PYTHONPATH": str(toolchain.ROOT / "services")}
    command = (sys.executable, "-m", *arguments)
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, cwd=toolchain.ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            assert line, log.read_text()
            yield line
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
