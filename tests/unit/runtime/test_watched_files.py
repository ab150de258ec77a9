"""Files that are read again when they change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lightrouter.runtime import files
from lightrouter.runtime.files import FileContentError, WatchedFiles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "words"
    found.write_text("one")
    return found


def reader(path: Path, read: list[str]) -> Callable[[], str]:
    def content() -> str:
        text = path.read_text() if path.exists() else "nothing"
        read.append(text)
        if text.startswith("bad"):
            raise FileContentError(f"{path}: {text}")
        return text

    return content


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_content_is_read_once_a_version(path: Path) -> None:
    read: list[str] = []
    watched = WatchedFiles("words", [path], reader(path, read))
    assert watched.current() is watched.current()
    files.replace(path, b"two")
    assert [watched.current(), watched.current()] == ["two", "two"]
    assert read == ["one", "two"]


def test_a_bad_change_leaves_the_last_good_content(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = WatchedFiles("words", [path], reader(path, []))
    for text in ("bad 1", "bad 22"):
        path.write_text(text)
        assert [watched.current(), watched.current()] == ["one", "one"]
    start = "the changed words are refused, the last good ones stay:"
    assert refusals(caplog) == [f"{start} {path}: bad 1", f"{start} {path}: bad 22"]
    path.write_text("three")
    assert watched.current() == "three"
    path.write_text("bad 22")
    assert watched.current() == "three"
    assert len(refusals(caplog)) == 3


def test_a_bad_change_that_comes_again_is_told_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched, aside = WatchedFiles("words", [path], reader(path, [])), path.with_name("aside")
    for _ in range(2):
        path.rename(aside)
        path.write_text("bad")
        assert [watched.current(), watched.current()] == ["one", "one"]
        aside.replace(path)
        assert watched.current() == "one"
    assert len(refusals(caplog)) == 2


@pytest.mark.parametrize("replace", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_has_no_end_is_not_read(
    path: Path, replace: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    watched = WatchedFiles("words", [path], reader(path, []))
    path.unlink()
    replace(path)
    assert [watched.current(), watched.current()] == ["one", "one"]
    assert refusals(caplog) == [
        f"the changed words are refused, the last good ones stay: {path}: is a pipe or a device, not a file"
    ]
    path.unlink()
    path.write_text("three")
    assert watched.current() == "three"


def test_bad_content_at_the_start_is_raised(path: Path) -> None:
    path.write_text("bad")
    with pytest.raises(FileContentError, match="bad"):
        WatchedFiles("words", [path], reader(path, []))


def test_each_of_the_files_counts_and_so_does_its_end(path: Path, tmp_path: Path) -> None:
    read: list[str] = []
    watched = WatchedFiles("words", [tmp_path / "other", path], reader(path, read))
    (tmp_path / "other").write_text("")
    watched.current()
    path.unlink()
    assert watched.current() == "nothing"
    assert read == ["one", "one", "nothing"]


def test_files_are_not_checked_within_the_recheck_time(path: Path) -> None:
    watched = WatchedFiles("words", [path], reader(path, []), recheck_seconds=3600.0)
    path.unlink()
    assert watched.current() == "one"
