"""Where the tools find Helm and kubectl, and what `.ci/run` does on a machine that has only kind."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import chart_helm

# Programs of the machine that `.ci/run` calls.
USUAL = ("bash", "cat", "dirname", "mkdir", "mktemp", "nice", "realpath", "tail", "timeout")


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a program, the lines of a shell script, on a PATH that has no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return put


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of fetched programs, which has them all."""
    for major, name in ((3, "helm"), (4, "helm"), (4, "kubectl")):
        program = tmp_path / "fetched" / str(major) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch()
    monkeypatch.setattr(chart_helm, "FOLDER", tmp_path / "fetched")
    return tmp_path / "fetched"


@pytest.mark.parametrize(
    ("says", "taken"),
    [
        ("echo v3.17.3+ge4da497", {3}),
        ("echo v4.0.1+g12345", {4}),
        ("echo v40.0.1", set[int]()),
        ("echo 'unknown command' >&2; exit 1", set[int]()),
    ],
)
def test_a_helm_on_the_path_is_taken_for_its_own_version(
    on_path: Callable[[str, str], Path], fetched: Path, says: str, taken: set[int]
) -> None:
    own = on_path("helm", says)
    for major in (3, 4):
        assert chart_helm.helm(major) == (own if major in taken else fetched / str(major) / "helm")


def test_a_kubectl_on_the_path_is_taken(on_path: Callable[[str, str], Path], fetched: Path) -> None:
    assert chart_helm.kubectl() == fetched / "4" / "kubectl"
    own = on_path("kubectl", "exit 0")
    assert chart_helm.kubectl() == own


LOAD = "kind load image-archive --name"
CI_PARTS = {
    "make verify": "",
    "make test": "",
    "pytest tests/cluster -m alone": "",
    "pytest tests/cluster -m load": "lightrouter:test",
    "pytest tests/cluster -m not alone and not load": "lightrouter:test",
    "pytest tests/image": "lightrouter:test",
}
"""The parts, with the image that they find in the cluster; the first one on the cluster builds it and loads it."""


@pytest.mark.parametrize("fails", ["", *CI_PARTS, "kind create cluster --name lightrouter-ci --wait 180s"])
def test_ci_runs_on_kind_alone_and_fails_with_its_parts(
    tmp_path: Path, on_path: Callable[[str, str], Path], fails: str
) -> None:
    for name in USUAL:
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name, path=os.defpath)))
    called = tmp_path / "called"
    for name in ("make", "pytest", "kind"):
        on_path(
            name,
            f'echo "{name} $*:${{CLUSTER_IMAGE-}}" >>{called}\n'
            f'[ {name} = kind ] || echo "{name} $* says this"\n'
            f'[ "{name} $*" != "{fails}" ] || exit 3\n'
            f'[ {name} != pytest ] || {{ [ -f "$KUBECONFIG" ] && [ "${{IMAGE_LOAD% *}}" = "{LOAD}" ]; }}',
        )
    script = tmp_path / "house" / ".ci" / "run"
    script.parent.mkdir(parents=True)
    shutil.copy(chart_helm.ROOT / ".ci" / "run", script)
    environment = {"PATH": str(tmp_path / "bin"), "CLUSTER": str(tmp_path / "none"), "TMPDIR": str(tmp_path)}
    ended = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)
    calls = called.read_text().splitlines()
    assert calls[0] == "make setup:"
    if fails.startswith("kind"):
        # What was begun beside it is stopped, before or after it is called.
        assert ended.returncode == 3
        assert "kind delete cluster --name lightrouter-ci:" in calls
        return
    assert ended.returncode == (1 if fails else 0), ended.stdout + ended.stderr
    assert calls[-1].startswith("kind delete cluster --name lightrouter-ci:")
    parts = {name: image for name, image in CI_PARTS.items() if not (fails.endswith("alone") and image)}
    assert {f"{name}:{image}" for name, image in parts.items()} == {call for call in calls[1:] if "kind" not in call}
    if fails:
        assert ended.stdout.endswith(f"\n{fails} says this\n")
