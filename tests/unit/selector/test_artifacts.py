"""The watched artifact: the last good one stays whatever comes after it, and files may come in any order."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lightrouter.learned.artifact import FILES, MANIFEST, Artifact, save
from lightrouter.learned.gain import Gains
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree
from lightrouter.selector.artifacts import ArtifactFolder


def write(folder: Path, name: str) -> None:
    """Writes an artifact whose only candidate has this name."""
    trees = [Tree([-1], [0.0], [0], [0])]
    priors = Priors([name], [Example({1: 1}, [1.0], [ord(name)])])
    model = Model(priors, trees, 0.3, gains=Gains(trees, [Tree([-1], [1 / ord(name)], [0], [0])]))
    save(Artifact(model, name * 12, {}, {}), folder)


def candidate(artifacts: ArtifactFolder) -> str | None:
    """Returns the candidate of the artifact that is used."""
    model = artifacts.model()
    return None if model is None else model.priors.candidates[0]


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[ArtifactFolder]:
    artifacts = ArtifactFolder(folder)
    task = asyncio.create_task(artifacts.watch())
    try:
        yield artifacts
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - the watcher tells nobody
            await asyncio.sleep(0)


async def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    write(tmp_path / "made", "b")
    write(tmp_path / "used", "a")
    async with watched(tmp_path / "used") as artifacts:
        assert candidate(artifacts) == "a"
        # The manifest first: what it names is not there yet.
        for name in FILES:
            shutil.copy(tmp_path / "made" / name, tmp_path / "used" / name)
            if name == MANIFEST:
                await asyncio.to_thread(artifacts._reload)
                assert candidate(artifacts) == "a"
        await until(lambda: candidate(artifacts) == "b")


async def test_a_change_after_the_manifest_is_seen(tmp_path: Path) -> None:
    write(tmp_path / "made", "b")
    write(tmp_path / "used", "a")
    artifacts = ArtifactFolder(tmp_path / "used")
    # The manifest comes first, and is looked at before the others are there.
    for name in sorted(FILES, key=lambda each: each != MANIFEST):
        assert candidate(artifacts) == "a"
        shutil.copy(tmp_path / "made" / name, tmp_path / "used" / name)
        await artifacts._reload_if_changed()
    assert candidate(artifacts) == "b"


async def test_a_folder_that_vanishes_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "deep" / "used"
    write(folder, "a")
    async with watched(folder) as artifacts:
        shutil.rmtree(tmp_path / "deep")
        await until(lambda: "the last good one stays" in caplog.text)
        assert candidate(artifacts) == "a"
        write(folder, "b")
        await until(lambda: candidate(artifacts) == "b")


def test_a_damaged_artifact_starts_without_one_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a")
    packed = (tmp_path / "outcomes.json.gz").read_bytes()
    (tmp_path / "outcomes.json.gz").write_bytes(packed[:-9])
    assert ArtifactFolder(tmp_path).model() is None
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "The artifact is not used: " in record.getMessage()
    assert "train it anew" in record.getMessage()
