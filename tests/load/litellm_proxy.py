"""LiteLLM's proxy, to compare with.

It is pinned in tests/load/litellm.txt and lives in an environment of its own. The pin is the last release before
1.107.0, which was compromised on its way to the package index. To make the file anew:

    echo 'litellm[proxy]==1.106.2' | uv pip compile - --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --output-file tests/load/litellm.txt
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from tests.load import peer
from tests.load.load import Target
from tests.load.processes import free_port, run

_ROOT: Final = Path(__file__).parents[2]
_LOCK: Final = Path(__file__).with_name("litellm.txt")
_HOME: Final = _ROOT / "build" / "litellm"
_ENVIRONMENT: Final = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # Warnings only: what it would write a request is not what it is compared in.
    "LITELLM_LOG": "WARNING",
}


def running(upstream_port: int, work: Path) -> AbstractContextManager[Target]:
    """Returns the proxy, which is started where it is entered; its files are put into `work`."""
    _install()
    port = free_port()
    config = work / "litellm.yaml"
    parameters = {
        "model": f"openai/{peer.MODEL}",
        "api_base": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "none",
    }
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": peer.MODEL, "litellm_params": parameters}],
                "litellm_settings": {"telemetry": False},
            }
        )
    )
    command = [str(_HOME / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--telemetry", "False", "--num_workers", "1"]
    title = f"LiteLLM {_version()}, one call"
    program = peer.Program(title, command, f"http://127.0.0.1:{port}", "/health/liveliness", _ENVIRONMENT)
    return peer.running(program, work / "litellm.log")


def _install() -> None:
    stamp = _HOME / "installed.txt"
    lock = _LOCK.read_text()
    if stamp.is_file() and stamp.read_text() == lock:
        return
    uv = [sys.executable, "-m", "uv"]
    run("LiteLLM's environment", [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_HOME)], _ROOT)
    python = str(_HOME / "bin" / "python")
    install = ["pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", str(_LOCK)]
    run("LiteLLM's packages", [*uv, *install], _ROOT)
    stamp.write_text(lock)


def _version() -> str:
    found = re.search(r"^litellm==(\S+)", _LOCK.read_text(), re.MULTILINE)
    return found[1] if found else ""
