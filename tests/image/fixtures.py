"""The image, built once for all tests that need it.

IMAGE_BASE names the base to build on; without it one is made from Debian's packages.
What cannot be built here is skipped, or fails where IMAGE_TESTS=required.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.image.docker import Docker, MissingError, daemon

IMAGE = "lightrouter:test"


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    try:
        with daemon() as docker:
            yield docker
    except MissingError as missing:
        _give_up(str(missing))


@pytest.fixture(scope="session")
def base(docker: Docker) -> str:
    """The name of the base."""
    if name := os.environ.get("IMAGE_BASE"):
        return name
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        _give_up("IMAGE_BASE names no base, and to make one takes root and mmdebstrap")
    docker.tool("base-image", "lightrouter-base:test")
    return "lightrouter-base:test"


@pytest.fixture(scope="session")
def image(docker: Docker, base: str) -> str:
    """The name of the image."""
    docker.tool("image", "--tag", IMAGE, "--base", base, "--no-cache")
    return IMAGE


def _give_up(reason: str) -> None:
    if os.environ.get("IMAGE_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)
