"""Notifications of changes in folders."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Final

from watchfiles import awatch

# Choices: some file systems send no notifications, so the folders are looked at every 2 s as well; a file that is
# written in several steps within 200 ms is one change.
RECHECK_SECONDS: Final = 2.0
_DEBOUNCE_MS: Final = 200


async def folder_changes(folders: Iterable[Path]) -> AsyncGenerator[None, None]:
    """Yields after each change in `folders`, without their subfolders, and at least every 2 s.

    Watch the folder of a file rather than the file: editors and Kubernetes replace files, and a watch on a file that
    is gone sees nothing.

    Raises:
        OSError, RuntimeError: A folder is gone, or the system has no watch left.
    """
    changes = awatch(
        *folders,
        recursive=False,
        debounce=_DEBOUNCE_MS,
        rust_timeout=round(RECHECK_SECONDS * 1000),
        yield_on_timeout=True,
    )
    async for _ in changes:
        yield
