"""Finished parts of a long run, kept in files so that an interrupted run can continue."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from lightrouter.lab.results.accounts import Outcomes
from lightrouter.runtime import files

_SETTINGS = "lightrouter-run.json"
"""Marks a folder of parts as one of this program; only a marked folder is ever emptied."""
# The files that a run leaves beside its parts.
_REPORTS = ("report.html", "report.json")
# A choice: below the 255 bytes of a file name.
_LONGEST_NAME = 100
_INDIFFERENT = frozenset({"command", "out", "resume"})


class ResumeError(Exception):
    """A folder whose parts cannot be used to continue; the text is one sentence."""


class Parts:
    """Finished parts of one run in a folder."""

    def __init__(self, folder: Path, settings: Mapping[str, object], *, resume: bool) -> None:
        """Opens the folder, empty unless the run is to be resumed.

        `settings` is everything that decides the result, as JSON values.

        Raises:
            ResumeError: The folder holds parts of a run with other settings, or another program's files.
        """
        self._folder = folder
        wanted = json.dumps(settings, sort_keys=True, indent=2)
        own = (folder / _SETTINGS).is_file() and not folder.is_symlink()
        if not own and folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ResumeError(f"{folder} is not of a run of this command and would be lost; name another --out")
        reports = [each for each in _REPORTS if (folder.parent / each).exists()]
        if reports and not own:
            place = folder.parent / reports[0]
            raise ResumeError(f"{place} is not of a run of this command and would be lost; name another --out")
        if own and resume:
            found = (folder / _SETTINGS).read_text(encoding="utf-8")
            if found != wanted:
                raise ResumeError(_difference(folder, found, wanted))
        elif own:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _SETTINGS).write_text(wanted, encoding="utf-8")

    def folder(self, name: str) -> Path:
        """Returns the folder for a part of another kind; it may not exist yet."""
        return self._folder / _file_name(name)

    def load(self, name: str) -> Outcomes | None:
        """Returns the outcomes kept under this name; None if there are none, or an older version kept others."""
        path = self._path(name, ".npz")
        if not path.is_file():
            return None
        with np.load(path) as arrays:
            kept = {each.name for each in fields(Outcomes)} == set(arrays)
            return Outcomes(**arrays) if kept else None

    def save(self, name: str, outcomes: Outcomes) -> None:
        """Keeps outcomes under this name, whole or not at all."""
        data = io.BytesIO()
        np.savez_compressed(data, **asdict(outcomes))
        files.replace(self._path(name, ".npz"), data.getvalue())

    def recall(self, name: str) -> Any:
        """Returns the JSON value kept under this name; None if there is none."""
        path = self._path(name, ".json")
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def keep(self, name: str, value: object) -> None:
        """Keeps a JSON value under this name, whole or not at all."""
        files.replace(self._path(name, ".json"), json.dumps(value).encode())

    def _path(self, name: str, ending: str) -> Path:
        return self._folder / f"{_file_name(name)}{ending}"


def fingerprint(settings: Mapping[str, object]) -> dict[str, object]:
    """Returns the settings that decide the result, with files as their SHA-256."""
    chosen = {key: value for key, value in settings.items() if key not in _INDIFFERENT}
    return {key: _sha256(value) if isinstance(value, Path) else value for key, value in chosen.items()}


def _sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's files, in hex."""
    found = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    digest = hashlib.sha256()
    for each in found:
        digest.update(each.read_bytes())
    return digest.hexdigest()


def _file_name(name: str) -> str:
    """Returns a file name that every file system accepts; different names stay different."""
    plain = "".join(char if (char.isascii() and char.isalnum()) or char in "-." else "_" for char in name)
    if plain == name and len(name) <= _LONGEST_NAME:
        return name
    return f"{plain[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _difference(folder: Path, text: str, wanted_text: str) -> str:
    wanted = json.loads(wanted_text)
    try:
        found = dict(json.loads(text))
    except (TypeError, ValueError):
        return f"{folder / _SETTINGS} is damaged; leave out --resume to begin anew"
    names = sorted(key for key in found.keys() | wanted.keys() if found.get(key, ...) != wanted.get(key, ...))
    return (
        f"{folder} is of a run with another {', '.join(names)}; leave out --resume to begin anew, or name another --out"
    )
