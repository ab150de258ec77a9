"""Docker for the tests of the image: the machine's own daemon, or a daemon that lives as long as the tests."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_START_S: Final = 60.0
# What a restricted pod gets, and no network.
_RESTRICTED: Final = ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")


class MissingError(Exception):
    """What this machine lacks to build images; its text is the reason."""


class Docker:
    """Runs `docker`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment}

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs `docker ARGUMENT...`."""
        return self._run(["docker", *arguments], check=check)

    def tool(self, name: str, *arguments: str, **environment: str) -> None:
        """Runs one of the project's tools against this daemon."""
        self._run([str(ROOT / "tools" / name), *arguments], check=True, **environment)

    def inspect(self, image: str) -> Any:
        """Returns what the daemon knows of an image or a container."""
        return json.loads(self.call("inspect", image).stdout)[0]

    def restricted(
        self, image: str, *command: str, entrypoint: str | None = None, options: Sequence[str] = (), check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs a container as a restricted pod would, until it ends."""
        other = () if entrypoint is None else (f"--entrypoint={entrypoint}",)
        return self.call("run", "--rm", *_RESTRICTED, *other, *options, image, *command, check=check)

    @contextlib.contextmanager
    def served(self, image: str, *command: str, options: Sequence[str] = ()) -> Iterator[str]:
        """Gives a container that runs as a restricted pod would, in the background."""
        container = self.call("run", "--detach", *_RESTRICTED, *options, image, *command).stdout.strip()
        try:
            yield container
        finally:
            self.call("rm", "--force", container)

    def _run(self, command: list[str], *, check: bool, **environment: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env={**self._environment, **environment}, check=False
        )
        if check and ended.returncode:
            said = (ended.stdout + ended.stderr)[-4000:]
            raise AssertionError(f"{' '.join(command)} ended with status {ended.returncode}:\n{said}")
        return ended


@contextlib.contextmanager
def daemon() -> Iterator[Docker]:
    """Gives the Docker that is there, or starts one that does not change the machine's network.

    Raises:
        MissingError: There is none, and none can be started.
    """
    if shutil.which("docker") is None:
        raise MissingError("there is no docker (Debian: docker.io)")
    docker = Docker({})
    if docker.call("version", check=False).returncode == 0:
        yield docker
        return
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        raise MissingError("no Docker daemon answers, and to start one takes root and dockerd (Debian: docker.io)")
    # A short path, for a socket's may have about 100 characters.
    with tempfile.TemporaryDirectory(prefix="lightrouter-docker-", ignore_cleanup_errors=True) as folder:
        address = f"unix://{folder}/docker.sock"
        command = [
            *("dockerd", "--host", address, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
            *("--pidfile", f"{folder}/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"),
            *("--ip-forward=false", "--ip-masq=false"),
        ]
        log = Path(folder) / "log"
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                docker = Docker({"DOCKER_HOST": address})
                _await_daemon(docker, process, log)
                yield docker
            finally:
                process.terminate()


def _await_daemon(docker: Docker, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + _START_S
    while docker.call("version", check=False).returncode:
        if process.poll() is not None or time.monotonic() > limit:
            raise MissingError(f"dockerd does not start here: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
