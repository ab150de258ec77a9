"""Versions of files, and files that are replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightrouter.runtime import files


def test_a_file_that_was_written_or_replaced_has_another_version(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    seen = [files.version(path)]
    path.write_text("longer")
    seen.append(files.version(path))
    other = tmp_path / "other"
    other.write_text("anothe")
    times = path.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    seen.append(files.version(path))
    assert len(set(seen)) == 3
    assert files.version(path) == seen[-1]


def test_a_file_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.version(tmp_path / "none")


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.replace(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    files.replace(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)


def test_a_link_stays_and_leads_to_the_new_content(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target"
    target.write_text("old")
    for number, place in enumerate((target, Path("elsewhere/target"), tmp_path / "link0", tmp_path / "new")):
        link = tmp_path / f"link{number}"
        link.symlink_to(place)
        files.replace(link, b"%d" % number)
        assert link.is_symlink()
        assert link.resolve().read_bytes() == b"%d" % number
    assert target.read_bytes() == b"2"
    assert not [each for each in tmp_path.rglob("*") if each.name.startswith(".")]


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.replace(path, b"one")

    def refuse(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="full"):
        files.replace(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]
