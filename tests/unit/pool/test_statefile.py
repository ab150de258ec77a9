"""The state file: replaced as a whole, and changed by one process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lightrouter.pool import statefile
from lightrouter.pool.statefile import LockedError
from lightrouter.pool.store import StoreError
from tests.unit.pool.test_status import EVICTED

# Ends at the given step of replacing a file, as a crash there would.
CRASH = """
import os, sys
from pathlib import Path
from lightrouter.pool import statefile
name, path = sys.argv[1:]
real = getattr(os, name)
def crash(*arguments, **named):
    if name == "fsync" or str(arguments[0]).rpartition("/")[2].startswith(".pool.state.json"):
        os._exit(9)
    return real(*arguments, **named)
setattr(os, name, crash)
statefile.amend(Path(path), {})
"""
HOLD = """
import sys
from pathlib import Path
from lightrouter.pool import statefile
with statefile.locked(Path(sys.argv[1]), "the first evaluation"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return statefile.state_path(tmp_path / "pool.yaml")


def test_a_saved_file_is_loaded(path: Path) -> None:
    assert path.name == "pool.state.json"
    assert statefile.load(path) == {}
    statefile.amend(path, {"b": EVICTED})
    assert statefile.load(path) == {"b": EVICTED}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_it_is_saved_leaves_the_old_file(path: Path, step: str) -> None:
    statefile.amend(path, {"b": EVICTED})
    ended = subprocess.run([sys.executable, "-c", CRASH, step, str(path)], check=False)
    assert ended.returncode == 9
    assert statefile.load(path) == {"b": EVICTED}


@pytest.mark.parametrize("content", ["no", "[]", '{"version": 1}', '{"version": 2, "candidates": {}}', "[" * 100_000])
def test_a_file_that_is_no_state_file_is_refused(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(StoreError, match=str(path)):
        statefile.load(path)


def test_a_second_process_is_kept_out_until_the_first_ends(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"the first evaluation .process {first.pid}. is using"):
            statefile.locked(path, "the second").__enter__()
        first.kill()
        first.wait()
    with statefile.locked(path, "the second"):
        pass
