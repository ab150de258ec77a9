"""A TypeScript client that is generated from the protos here, and type-checked, calls the suite."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from tests.clients import toolchain
from tests.clients.report import Report
from tools import protos

PACKAGE = Path(__file__).parent / "typescript"
OUT = toolchain.BUILD / "typescript"

# The first run installs the packages, within the time of the first test.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def client(image: Path) -> Path:
    """Generates the code, compiles the client and returns its script."""
    toolchain.require("node", (20, 0), "--version")
    toolchain.require("npm", (10, 0), "--version")
    _install()
    shutil.rmtree(OUT / "gen", ignore_errors=True)
    (OUT / "gen").mkdir()
    # The details of errors are generated too, from the protos that the Python package of them ships.
    toolchain.protoc(
        f"-I{Path(error_details_pb2.__file__).parents[2]}",
        f"--descriptor_set_in={image}",
        f"--es_out={OUT / 'gen'}",
        "--es_opt=target=ts,import_extension=js",
        "google/rpc/error_details.proto",
        "buf/validate/validate.proto",
        *protos.sources(protos.PROTOS),
        plugins=OUT / "node_modules" / ".bin",
    )
    toolchain.run(["npm", "run", "build"], cwd=OUT)
    return OUT / "dist" / "src" / "client.js"


def _install() -> None:
    """Copies the package to the build folder and installs what it needs there, unless that is there already."""
    installed = OUT / "node_modules" / ".installed"
    wanted = toolchain.digest(PACKAGE / "package.json", PACKAGE / "package-lock.json")
    current = installed.is_file() and installed.read_text() == wanted
    shutil.copytree(PACKAGE, OUT, dirs_exist_ok=True)
    if not current:
        toolchain.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=OUT)
        installed.write_text(wanted)


def test_calls_the_router_and_reads_the_details_of_an_error(client: Path, address: str) -> None:
    Report.model_validate_json(toolchain.run(["node", client, address])).check()
