"""A Java client that Maven generates from the protos here calls the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import toolchain

PROJECT = Path(__file__).parent / "java"


# The first run fetches Maven's plugins and the libraries.
@pytest.mark.timeout(600)
def test_calls_the_router(address: str) -> None:
    toolchain.require("mvn", (3, 6), "--version")
    command = ["mvn", "--quiet", "--batch-mode", "compile", "exec:java"]
    run = ["-Dexec.mainClass=example.Ask", f"-Dexec.args={address}", "-Dstyle.color=never"]
    printed = toolchain.run([*command, *run], cwd=PROJECT)
    assert "nano-dollars" in printed
