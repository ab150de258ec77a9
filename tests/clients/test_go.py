"""A Go client that is generated from the protos here calls the suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.clients import toolchain
from tests.clients.report import Report

MODULE = Path(__file__).parent / "go"
OUT = toolchain.BUILD / "go"
# Where the protos' go_package puts the code; the client's go.mod replaces it by this folder.
GENERATED_MODULE = "lightrouter.dev/gen"

# The first run compiles gRPC and the plugins, within the time of the first test.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def client(image: Path) -> Path:
    """Generates the code, builds the client and returns its program."""
    toolchain.require("go", (1, 26), "version")
    generated, programs = OUT / "build" / "go", OUT / "bin"
    shutil.rmtree(generated, ignore_errors=True)
    generated.mkdir(parents=True)
    (generated / "go.mod").write_text(f"module {GENERATED_MODULE}\n\ngo 1.26.0\n")
    toolchain.run(["go", "install", "tool"], cwd=MODULE, environment={"GOBIN": str(programs)})
    toolchain.generate(OUT, plugins=programs)
    toolchain.run(["go", "build", "-o", programs / "client", "."], cwd=MODULE)
    return programs / "client"


def test_calls_the_router_and_reads_the_details_of_an_error(client: Path, address: str) -> None:
    Report.model_validate_json(toolchain.run([client, address])).check()


@pytest.mark.usefixtures("client")
def test_is_clean() -> None:
    assert toolchain.run(["gofmt", "-l", "."], cwd=MODULE) == ""
    toolchain.run(["go", "vet", "./..."], cwd=MODULE)
