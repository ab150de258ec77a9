"""protoc alone reads the protos from their image, as the documents say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from tests.clients import toolchain
from tests.readme import DOCS, Command, commands

PROTOC = [command for command in commands(DOCS / "clients.md") if command.whole and command.words[0] == "protoc"]


def imported(module: str) -> set[str]:
    """Returns a generated module and those of this project that it imports, as a client of a language needs them."""
    found = {module}
    for file in importlib.import_module(module).DESCRIPTOR.dependencies:
        if file.name.startswith("lightrouter/"):
            found |= imported(file.name.replace("/", ".").removesuffix(".proto") + "_pb2")
    return found


@pytest.mark.parametrize("command", PROTOC, ids=str)
def test_protoc_finds_all_that_is_imported(command: Command, image: Path, tmp_path: Path) -> None:
    (tmp_path / "gen").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / image.name).write_bytes(image.read_bytes())
    # The protoc of the development requirements has no generator but Python's.
    plain = [word for word in command.words[1:] if not word.startswith(("--es_", "--plugin", "--csharp_"))]
    toolchain.run([sys.executable, "-m", "grpc_tools.protoc", *plain, "--pyi_out=gen"], cwd=tmp_path)
    written = {str(path.relative_to(tmp_path / "gen")) for path in (tmp_path / "gen").rglob("*.pyi")}
    assert {module.replace(".", "/") + ".pyi" for module in imported("lightrouter.v1.router_pb2")} <= written
