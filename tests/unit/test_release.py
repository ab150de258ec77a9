"""What a release has is of one version."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from tools.chart_helm import ROOT, helm

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what a release is built from."""
    for name in ("helm", "requirements", "services", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def released(source: Path) -> subprocess.CompletedProcess[str]:
    programs = f"{helm(4).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs}
    command = ["tools/release", "--without-image"]
    return subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)


# It builds the wheel, which takes seconds.
def test_wheel_chart_and_parts_list_have_one_version(source: Path) -> None:
    ended = released(source)
    assert ended.returncode == 0, ended.stderr
    dist = source / "dist"
    parts = {f"lightrouter-{VERSION}{end}" for end in ("-py3-none-any.whl", ".tgz", ".cdx.json")}
    assert {file.name for file in dist.iterdir()} == parts | {"SHA256SUMS"}
    lines = [line.split() for line in (dist / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums == {name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in parts}
    with zipfile.ZipFile(dist / f"lightrouter-{VERSION}-py3-none-any.whl") as wheel:
        files = wheel.namelist()
    # A top-level package `buf` would collide with Buf's own.
    assert {name.split("/")[0] for name in files} == {"lightrouter", f"lightrouter-{VERSION}.dist-info"}
    assert "lightrouter/py.typed" in files
    with tarfile.open(dist / f"lightrouter-{VERSION}.tgz") as chart:
        packed = chart.extractfile("lightrouter/Chart.yaml")
        assert packed
        about = yaml.safe_load(packed.read())
    assert (about["version"], about["appVersion"]) == (VERSION, VERSION)
    listed = json.loads((dist / f"lightrouter-{VERSION}.cdx.json").read_text())["components"]
    assert {"grpcio", "pydantic", "aiohttp"} <= {each["name"] for each in listed}


@pytest.mark.parametrize("key", ["version", "appVersion"])
def test_a_chart_of_another_version_is_refused(source: Path, key: str) -> None:
    chart = source / "helm" / "lightrouter" / "Chart.yaml"
    chart.write_text(chart.read_text().replace(f"\n{key}: {VERSION}", f"\n{key}: 9.9.9"))
    ended = released(source)
    assert ended.returncode == 1
    assert f"has {key} 9.9.9, and pyproject.toml version {VERSION}: make them equal" in ended.stderr
