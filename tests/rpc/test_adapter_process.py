"""An adapter as a process: it starts, follows its pool file, stops."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from watchfiles import awatch

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.v1.candidate_pb2 import ModelTarget
from tests.rpc.adapter_support import CANDIDATE, generation
from tests.upstreams import behaviours
from tests.upstreams.upstream import Upstream

SERVICES = Path(__file__).parents[2] / "services"


def write_pool(path: Path, base_url: str, name: str = CANDIDATE) -> None:
    """Replaces the pool file as an editor does."""
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump({"candidates": [{"name": name, "base_url": base_url, "model": "tiny"}]}))
    new.replace(path)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SERVICES)}


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lightrouter.adapter", *arguments, env=environment(), stderr=PIPE
    )


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """Starts the adapter of the pool file in `folder`; gives the process and its address."""
    ready = folder / "ready"
    changes = awatch(folder, rust_timeout=200, yield_on_timeout=True)
    await anext(changes)
    process = await start(
        f"--pool={folder / 'pool.yaml'}", f"--candidate={CANDIDATE}", f"--ready-file={ready}", "--grace-seconds=1"
    )
    try:
        while not ready.exists():
            assert process.returncode is None
            await anext(changes)
        yield process, ready.read_text().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_saved_pool_file_takes_effect(tmp_path: Path) -> None:
    pool = tmp_path / "pool.yaml"
    async with Upstream(behaviours.reply("old")) as old, Upstream(behaviours.reply("new")) as new:
        write_pool(pool, old.base_url)
        channels = Channels()
        async with running(tmp_path) as (process, address):
            models = ModelClient(channels)
            target = ModelTarget(candidate=CANDIDATE, address=address)

            async def text() -> str:
                return (await models.generate(target, generation(), Deadline.after(20))).text

            assert await text() == "old"
            write_pool(pool, new.base_url)
            assert process.stderr is not None
            while b"entry of fast has changed" not in await process.stderr.readline():
                pass
            assert await text() == "new"
            await channels.close()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "candidates: [{name: other, base_url: 'http://h/v1', model: m}]",
            "the pool has no candidate fast; it has other",
        ),
        ("candidates: [{name: fast, base_url: 'http://h/v1'}]", "candidates[0].model"),
        (
            "candidates: [{name: fast, base_url: 'http://h', model: m, continuation: raw, chat_template: chatlm}]",
            "chat_template 'chatlm' is neither Jinja nor one of chatml",
        ),
    ],
)
async def test_a_pool_file_that_cannot_be_used_stops_the_start(tmp_path: Path, content: str, sentence: str) -> None:
    pool = tmp_path / "pool.yaml"
    pool.write_text(content)
    process = await start(f"--pool={pool}", f"--candidate={CANDIDATE}")
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert sentence in errors.decode()
    assert "Traceback" not in errors.decode()
