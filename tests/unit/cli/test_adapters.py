"""Adapters alone, for commands that ask candidates without a router."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.cli.adapters import adapters
from lightrouter.cli.errors import CommandError

POOL = "candidates: [{name: fast, base_url: 'http://h/v1', model: m}, {name: far, base_url: 'http://h/v1', model: m}]"


async def test_one_that_is_not_ready_in_time_is_named(tmp_path: Path) -> None:
    pool = tmp_path / "pool.yaml"
    pool.write_text(POOL)
    with pytest.raises(CommandError, match=r"not ready within 0\.01 s: adapter-fast, adapter-far"):
        async with adapters(pool, start_s=0.01):
            pass
