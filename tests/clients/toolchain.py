"""Runs the toolchains of other languages: checks that they exist, and returns what they print."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Outside the tests, so that nothing generated is taken for source; kept between runs, so that the next one is quick.
BUILD = ROOT / "build" / "clients"


def require(program: str, minimum: tuple[int, ...], version_argument: str) -> None:
    """Skips the test, or fails it in CI, where `program` is not there in version `minimum` or later."""
    if shutil.which(program) is None:
        _missing(f"{program} is not on the PATH")
    shown = run([program, version_argument]).strip()
    numbers = re.search(r"\d+(\.\d+)+", shown)
    if numbers is None or tuple(map(int, numbers.group().split("."))) < minimum:
        _missing(f"{program} {'.'.join(map(str, minimum))} or later is needed, this one says {shown!r}")


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI skips no client, but {reason}", pytrace=False)
    pytest.skip(reason)


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    """Returns what `command` printed; fails the test with all its output if it exits with an error."""
    done = execute(command, cwd=cwd, environment=environment)
    if done.returncode:
        shown = " ".join(map(str, command))
        pytest.fail(f"{shown} exited {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout


def execute(
    command: Sequence[str | Path], *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `command` to its end, with `environment` over this process's."""
    merged = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=cwd, env=merged, capture_output=True, text=True, check=False)


def digest(*files: Path) -> str:
    """Returns a digest of the files' contents."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()
