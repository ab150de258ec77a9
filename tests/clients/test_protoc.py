"""protoc alone reads the protos from their image, as the documents say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.clients import toolchain
from tests.readme import DOCS, Command, commands

PROTOC = [command for command in commands(DOCS / "clients.md") if command.whole and command.words[0] == "protoc"]


@pytest.mark.parametrize("command", PROTOC, ids=str)
def test_protoc_writes_code_as_printed(command: Command, image: Path, tmp_path: Path) -> None:
    (tmp_path / "gen").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / image.name).write_bytes(image.read_bytes())
    # A plugin is an npm package, with which the TypeScript client is generated.
    plain = [word for word in command.words[1:] if not word.startswith(("--es_", "--plugin"))]
    toolchain.run([sys.executable, "-m", "grpc_tools.protoc", *plain, "--pyi_out=gen"], cwd=tmp_path)
    assert list((tmp_path / "gen").rglob("*router*")) or list((tmp_path / "gen").glob("Router*"))
