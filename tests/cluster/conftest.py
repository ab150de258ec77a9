"""What the tests on a cluster need: KUBECONFIG, and the image in the cluster.

CLUSTER_IMAGE names an image that the cluster can pull or has; else the image is built and given to the command
IMAGE_LOAD, whose last argument is then a docker archive. Without KUBECONFIG the tests are skipped, or fail if
CLUSTER_TESTS=required.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.release import Namespace, candidate, namespace, small


@pytest.fixture(scope="session", autouse=True)
def _cluster() -> None:
    if "KUBECONFIG" in os.environ:
        return
    if os.environ.get("CLUSTER_TESTS") == "required":
        pytest.fail("KUBECONFIG names no cluster")
    pytest.skip("KUBECONFIG names no cluster")


@pytest.fixture(scope="session")
def cluster_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the image in the cluster."""
    if name := os.environ.get("CLUSTER_IMAGE"):
        return name
    if not (load := os.environ.get("IMAGE_LOAD")):
        pytest.fail("set CLUSTER_IMAGE to an image that the cluster has, or IMAGE_LOAD to the command that loads one")
    name = str(request.getfixturevalue("image"))
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    request.getfixturevalue("docker").call("save", "--output", str(archive), name)
    subprocess.run([*shlex.split(load), str(archive)], check=True, timeout=300)
    return name


@pytest.fixture(scope="session")
def new_namespace(
    cluster_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], AbstractContextManager[Namespace]]:
    """Makes namespaces, each for a purpose that is a part of its name."""
    folder: Path = tmp_path_factory.mktemp("values")
    return partial(namespace, cluster_image, folder)


@pytest.fixture(scope="session")
def suite(new_namespace: Callable[[str], AbstractContextManager[Namespace]]) -> Iterator[Namespace]:
    """The suite, small, with candidates `a` and `b` of a provider that answers at once."""
    with new_namespace("suite") as given:
        given.provider()
        given.install(small(candidate("a", prior=0.7), candidate("b", prior=0.5)))
        yield given
