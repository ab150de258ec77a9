"""Portkey's gateway, to compare with; it is pinned in tests/load/portkey and needs Node.js 20."""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from tests.load import peer
from tests.load.load import Target
from tests.load.processes import free_port, run

_PINS: Final = Path(__file__).with_name("portkey")
_HOME: Final = Path(__file__).parents[2] / "build" / "portkey"
_PACKAGE: Final = "@portkey-ai/gateway"


def running(upstream_port: int, work: Path) -> AbstractContextManager[Target]:
    """Returns the gateway, which is started where it is entered; its files are put into `work`."""
    _install()
    port = free_port()
    program = _HOME / "node_modules" / _PACKAGE / "build" / "start-server.js"
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream_port}/v1"}
    return peer.running(
        peer.Program(
            title=f"Portkey {_version()}, one call",
            command=["node", str(program), f"--port={port}", "--headless"],
            root=f"http://127.0.0.1:{port}",
            alive="/",
            environment={"NODE_ENV": "production"},
            headers=headers,
        ),
        work / "portkey.log",
    )


def _install() -> None:
    lock = (_PINS / "package-lock.json").read_bytes()
    stamp = _HOME / "installed.json"
    if stamp.is_file() and stamp.read_bytes() == lock:
        return
    _HOME.mkdir(parents=True, exist_ok=True)
    for file in _PINS.iterdir():
        shutil.copy(file, _HOME)
    run("Portkey's packages", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"], _HOME)
    stamp.write_bytes(lock)


def _version() -> str:
    version: str = json.loads((_PINS / "package.json").read_text())["dependencies"][_PACKAGE]
    return version
