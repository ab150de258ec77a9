"""Keeps the model of the artifact in a folder: reloads it on a change; a broken change leaves the last good one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lightrouter.learned.artifact import FILES, ArtifactError, load
from lightrouter.learned.model import Model
from lightrouter.runtime import files
from lightrouter.runtime.watch import RECHECK_SECONDS, folder_changes

_logger = logging.getLogger(__name__)


class ArtifactFolder:
    """The last good artifact of a folder."""

    def __init__(self, folder: Path) -> None:
        """Reads the artifact in `folder`; logs why if it cannot be used, and has no model until a good one arrives."""
        self._folder = folder
        self._versions = _versions(folder)
        self._model: Model | None = None
        self._reload()

    def model(self) -> Model | None:
        """Returns the model of the last good artifact; None before the first."""
        return self._model

    async def watch(self) -> None:
        """Reloads changed artifacts until the task is cancelled."""
        while True:
            folders = [path for path in (self._folder, self._folder.parent) if path.is_dir()]
            try:
                await self._follow(folders)
            except (OSError, RuntimeError) as error:
                # A watched folder is gone, or the system has no watch left: poll instead.
                _logger.debug("The artifact's folder cannot be watched: %s", error)
                folders = []
            if not folders:
                await asyncio.sleep(RECHECK_SECONDS)
            await self._reload_if_changed()

    async def _follow(self, folders: Sequence[Path]) -> None:
        """Reloads on changes until one of the folders appears or disappears."""
        if not folders:
            return
        async for _ in folder_changes(folders):
            await self._reload_if_changed()
            if self._folder.is_dir() != (self._folder in folders):
                return

    async def _reload_if_changed(self) -> None:
        versions = _versions(self._folder)
        if versions != self._versions:
            self._versions = versions
            await asyncio.to_thread(self._reload)

    def _reload(self) -> None:
        try:
            artifact = load(self._folder)
        except ArtifactError as error:
            kept = "is not used" if self._model is None else "is not used, and the last good one stays"
            _logger.error("The artifact %s: %s", kept, error)  # noqa: TRY400 - the sentence says it all
            return
        self._model = artifact.model
        _logger.info("The artifact trained on %s is used.", artifact.data_sha256[:12])


def _versions(folder: Path) -> dict[str, files.Version]:
    """Returns the version of each file of the artifact that is there; they may arrive in any order."""
    found: dict[str, files.Version] = {}
    for name in FILES:
        with suppress(OSError):
            found[name] = files.version(folder / name)
    return found
