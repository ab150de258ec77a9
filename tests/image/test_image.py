"""The image: what is in it, what it runs, and that a second build is the same."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightrouter.cli.serve import SERVICES
from tests.image.docker import ROOT, Docker
from tests.image.fixtures import Bases
from tools.chart_helm import helm

pytestmark = pytest.mark.timeout(900)
MOST_BYTES = 250 * 1000 * 1000
HERE = Path(__file__).parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# Nothing that could be a shell is one.
NO_SHELL = [f"--volume=/dev/null:/usr/bin/{shell}:ro" for shell in ("bash", "dash")]


@pytest.fixture(scope="session")
def contents(docker: Docker, image: str) -> Any:
    """What `probe_contents` finds."""
    script = (HERE / "probe_contents.py").read_text()
    return json.loads(docker.restricted(image, "-c", script, entrypoint="python3").stdout)


def test_it_is_small(docker: Docker, image: str) -> None:
    assert docker.inspect(image)["Size"] < MOST_BYTES


def test_it_has_no_user_of_weight(docker: Docker, image: str, contents: Any) -> None:
    assert docker.inspect(image)["Config"]["User"] == "65532:65532"
    assert contents["user"] == [65532, 65532]
    assert contents["writable"] == []


def test_its_labels_say_what_it_is(docker: Docker, image: str, bases: Bases) -> None:
    labels = docker.inspect(image)["Config"]["Labels"]
    described = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert described["title"] == "LightRouter"
    assert described["licenses"] == "Apache-2.0"
    assert described["version"] == VERSION
    assert described["base.name"] == bases.run
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert described["revision"].removesuffix("-dirty") == commit.stdout.strip()


def test_it_has_what_the_lock_names_and_nothing_else(contents: Any) -> None:
    lock = (ROOT / "requirements" / "runtime.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock, re.MULTILINE))
    assert contents["installed"] == {**locked, "lightrouter": VERSION}


def test_the_image_has_nothing_of_the_build(contents: Any) -> None:
    assert contents["compilers"] == []
    assert contents["leftovers"] == []


def test_every_library_loads(contents: Any) -> None:
    assert contents["libraries"] > 10
    assert contents["unloadable"] == {}


def test_all_code_is_compiled_and_is_never_checked_against_a_time(contents: Any) -> None:
    assert contents["sources"] == contents["compiled"] > 0
    assert contents["checked"] == []


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_starts(docker: Docker, image: str, service: str) -> None:
    said = docker.restricted(image, "serve", service, "--help", options=NO_SHELL).stdout
    assert said.startswith(f"usage: lightrouter serve {service}")


def test_the_image_lists_its_commands_if_none_is_given(docker: Docker, image: str) -> None:
    assert docker.restricted(image).stdout.startswith("Usage: lightrouter")
    assert docker.restricted(image, "--version").stdout == f"lightrouter {VERSION}\n"


def test_a_wrong_setting_ends_it_with_status_2(docker: Docker, image: str) -> None:
    ended = docker.restricted(image, "serve", "selector", "--listen", "nowhere", check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("lightrouter serve selector: setting listen (--listen, LIGHTROUTER_SELECTOR_LISTEN)")


def test_the_selector_serves_and_ends_at_sigterm(docker: Docker, image: str) -> None:
    with docker.served(image, "serve", "selector", options=NO_SHELL) as container:
        script = (HERE / "probe_selector.py").read_text()
        ranking = json.loads(docker.call("exec", container, "python3", "-c", script).stdout)
        assert ranking["ranking"]["candidates"][-1]["candidate"] == "odd"
        # A killed container ends with status 137.
        docker.call("stop", "--time", "60", container)
        assert docker.inspect(container)["State"]["ExitCode"] == 0


def test_a_second_build_is_the_same(docker: Docker, image: str, build: Callable[..., str]) -> None:
    assert _layers(docker, build("lightrouter:again")) == _layers(docker, image)


def test_a_later_commit_changes_the_last_layer_alone(docker: Docker, image: str, build: Callable[..., str]) -> None:
    before = _layers(docker, image)
    # Without the cache, which takes a layer for the same if only the times of its files differ.
    after = _layers(docker, build("lightrouter:later", SOURCE_DATE_EPOCH="2000000000"))
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]


def test_a_release_has_the_image_by_the_name_that_the_chart_asks_for(docker: Docker, image: str, bases: Bases) -> None:
    docker.tool("release", "--base", bases.run, "--build", bases.build)
    archive = ROOT / "dist" / f"lightrouter-image-{VERSION}.tar.gz"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert f"{digest}  {archive.name}" in (ROOT / "dist" / "SHA256SUMS").read_text().splitlines()
    name = f"lightrouter:{VERSION}"
    docker.call("rmi", name)
    assert docker.call("load", "--input", str(archive)).stdout == f"Loaded image: {name}\n"
    # The last layer is that of the commit's time.
    assert _layers(docker, name)[:-1] == _layers(docker, image)[:-1]
    values = "--set=candidates.a.model=a,candidates.a.baseUrl=http://a/v1"
    chart = [str(helm(4)), "template", "lightrouter", str(ROOT / "dist" / f"lightrouter-{VERSION}.tgz"), values]
    rendered = subprocess.run(chart, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"image: (.*)", rendered)) == {f'"{name}"'}


def _layers(docker: Docker, image: str) -> list[str]:
    layers: list[str] = docker.inspect(image)["RootFS"]["Layers"]
    return layers
