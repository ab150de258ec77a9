"""The image, built once for all tests that need it.

IMAGE_BASE names the base and IMAGE_BUILD_BASE the image to build in; without them both are made from Debian's packages.
What cannot be built here is skipped, or fails if IMAGE_TESTS=required.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.image.docker import Docker, MissingError, daemon

BASE = "lightrouter-base"


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    try:
        with daemon() as docker:
            yield docker
    except MissingError as missing:
        _give_up(str(missing))


@dataclass(frozen=True)
class Bases:
    """The names of the image's base and of the image that it is built in."""

    run: str
    build: str


@pytest.fixture(scope="session")
def bases(docker: Docker) -> Bases:
    run, build = os.environ.get("IMAGE_BASE"), os.environ.get("IMAGE_BUILD_BASE")
    if run and build:
        return Bases(run, build)
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        _give_up("IMAGE_BASE and IMAGE_BUILD_BASE name no bases, and to make them takes root and mmdebstrap")
    docker.tool("base-image", BASE)
    return Bases(f"{BASE}:run", f"{BASE}:build")


@pytest.fixture(scope="session")
def build(docker: Docker, bases: Bases) -> Callable[..., str]:
    """Builds the image under a name and with an environment, without the cache; returns the name."""

    def build(name: str, **environment: str) -> str:
        options = ("--tag", name, "--base", bases.run, "--build", bases.build, "--no-cache")
        docker.tool("image", *options, **environment)
        return name

    return build


@pytest.fixture(scope="session")
def image(build: Callable[..., str]) -> str:
    """The name of the image."""
    return build("lightrouter:test")


def _give_up(reason: str) -> None:
    if os.environ.get("IMAGE_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)
