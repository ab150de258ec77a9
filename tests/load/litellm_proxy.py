"""LiteLLM's proxy on the benchmark's upstream, to compare with.

It is pinned in tests/load/litellm.txt and lives in an environment of its own. The pin is the last release before
1.107.0, which was compromised on its way to the package index. To make the file anew:

    echo 'litellm[proxy]==1.106.2' | uv pip compile - --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --output-file tests/load/litellm.txt
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.load.processes import Group, service, wait_for

MODEL: Final = "bench-1"
_ROOT: Final = Path(__file__).parents[2]
_LOCK: Final = Path(__file__).with_name("litellm.txt")
_HOME: Final = _ROOT / "build" / "litellm"
_START_SECONDS: Final = 180.0
_ENVIRONMENT: Final = {
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # Warnings only: what it would write a request is not what it is compared in.
    "LITELLM_LOG": "WARNING",
}


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """A running proxy.

    Attributes:
        url: Its chat completions endpoint.
        version: Its release.
        group: Its processes.
    """

    url: str
    version: str
    group: Group


@contextmanager
def running(upstream_port: int, work: Path) -> Iterator[LiteLLM]:
    """Yields LiteLLM's proxy, one worker, telemetry off, in front of the upstream; its files are put into `work`."""
    _install()
    port = _free_port()
    config = work / "litellm.yaml"
    parameters = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "none"}
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
                "litellm_settings": {"telemetry": False},
            }
        )
    )
    log = work / "litellm.log"
    command = [str(_HOME / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--telemetry", "False", "--num_workers", "1"]
    with service(command, _ENVIRONMENT, log) as process:
        root = f"http://127.0.0.1:{port}"
        wait_for("LiteLLM's proxy", lambda: _alive(f"{root}/health/liveliness"), process, _START_SECONDS, log)
        family = {f"litellm-{one.pid}": one for one in [process, *process.children(recursive=True)]}
        yield LiteLLM(f"{root}/v1/chat/completions", _version(), Group(family))


def _install() -> None:
    stamp = _HOME / "installed.txt"
    lock = _LOCK.read_text()
    if stamp.is_file() and stamp.read_text() == lock:
        return
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(_HOME)], check=True)
    python = str(_HOME / "bin" / "python")
    install = ["pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", str(_LOCK)]
    subprocess.run([*uv, *install], check=True)
    stamp.write_text(lock)


def _version() -> str:
    found = re.search(r"^litellm==(\S+)", _LOCK.read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _free_port() -> int:
    # It cannot report its port, so it gets a port that was free a moment ago.
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _alive(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return True if answer.status == 200 else None
    except (urllib.error.URLError, OSError):
        return None
