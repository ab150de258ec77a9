"""The artifact in a folder: a good change takes effect at once, with a broken one the last good artifact stays."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from watchfiles import awatch

from lightrouter.learned.artifact import MANIFEST, ArtifactError, load
from lightrouter.learned.model import Model

_logger = logging.getLogger(__name__)
# Besides notifications the manifest is read this often: some file systems send none.
_RECHECK_MS = 2_000
_DEBOUNCE_MS = 200


class ArtifactFolder:
    """A folder and the last good artifact that it held."""

    def __init__(self, folder: Path) -> None:
        """Reads the artifact in `folder`; one that cannot be used is logged, and there is no model until one can."""
        self._folder = folder
        self._manifest: bytes | None = None
        self._model: Model | None = None
        self._reload(self._changed())

    def model(self) -> Model | None:
        """Returns the model of the last good artifact; None where there was none yet."""
        return self._model

    async def watch(self) -> None:
        """Takes on changed artifacts until the task is cancelled."""
        while True:
            folders = [path for path in (self._folder, self._folder.parent) if path.is_dir()]
            if not folders:
                await asyncio.sleep(_RECHECK_MS / 1000)
                continue
            changes = awatch(
                *folders, recursive=False, debounce=_DEBOUNCE_MS, rust_timeout=_RECHECK_MS, yield_on_timeout=True
            )
            async for _ in changes:
                if (changed := self._changed()) is not None:
                    await asyncio.to_thread(self._reload, changed)
                if self._folder.is_dir() != (self._folder in folders):
                    break

    def _changed(self) -> bytes | None:
        """Returns the manifest where it is not that of the last attempt: it is written last, and names the others."""
        try:
            manifest = (self._folder / MANIFEST).read_bytes()
        except OSError:
            manifest = b""
        return manifest if manifest != self._manifest else None

    def _reload(self, manifest: bytes | None) -> None:
        self._manifest = manifest
        try:
            artifact = load(self._folder)
        except ArtifactError as error:
            _logger.error("The artifact is not used: %s", error)  # noqa: TRY400 - the sentence says it all
            return
        self._model = artifact.model
        _logger.info("The artifact trained on %s is used.", artifact.data_sha256[:12])
