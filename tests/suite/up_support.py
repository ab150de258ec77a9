"""`lightrouter up` as a process of its own over a small upstream, and what a test asks of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import psutil

TIMEOUT_S = 600.0
_MANY = 512
"""The limit from which on an answer is written to its end; boots have less."""
SERVICES = Path(__file__).parents[2] / "services"
Found = TypeVar("Found")


def until(what: str, found: Callable[[], Found | None]) -> Found:
    """Returns what `found` finds as soon as it finds something that is true."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        if value := found():
            return value
        # What other processes do wakes nobody here.
        time.sleep(0.05)
    raise AssertionError(f"in vain for {TIMEOUT_S:g} s: {what}")


class Chat(BaseHTTPRequestHandler):
    """Chat completions that say which model writes; what has a low limit is cut short, what goes on ends."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, request: dict[str, Any]) -> None:
        """Answers a request."""
        goes_on = request["messages"][-1]["role"] == "assistant"
        begin, end = f"{request['model']} begins", " and ends."
        if goes_on:
            self.say(request, end, "stop")
        elif request.get("max_tokens", _MANY) < _MANY:
            self.say(request, begin, "length")
        else:
            self.say(request, begin + end, "stop")

    def say(self, request: dict[str, Any], text: str, finish: str) -> None:
        """Sends this text, as a whole or as a stream, whichever the request asks for."""
        written = len(text.split())
        usage = {"prompt_tokens": 10, "completion_tokens": written, "total_tokens": 10 + written}
        head = {"id": "x", "created": 1, "model": request["model"]}
        if not request.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
            self._send("application/json", json.dumps(head | {"choices": [choice], "usage": usage}))
            return
        events = [
            head | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]},
            head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            head | {"choices": [], "usage": usage},
        ]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        self._send("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))

    def answer_json(self, document: object) -> None:
        """Sends a JSON document."""
        self._send("application/json", json.dumps(document))

    def _send(self, kind: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.contextmanager
def upstream(handler: type[Chat] = Chat) -> Iterator[str]:
    """Serves `Chat`, or what a test makes of it; yields its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def pool_text(base_url: str, *names: str) -> str:
    """Returns a pool file with a candidate for each name; its model has the same name."""
    return "candidates:\n" + "".join(
        f"  - name: {name}\n    base_url: {base_url}\n    model: {name}\n    prices: {{input: 1, output: 2}}\n"
        for name in names
    )


def cli(
    *arguments: str, address: str = "", more: Mapping[str, str] = MappingProxyType({}), timeout_s: float = TIMEOUT_S
) -> subprocess.CompletedProcess[str]:
    """Runs `lightrouter` to its end, with its output piped."""
    command = [sys.executable, "-m", "lightrouter.cli", *arguments]
    environment = environ({"LIGHTROUTER_ADDRESS": address, **more})
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)


def environ(more: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment of a command."""
    return {**os.environ, "PYTHONPATH": str(SERVICES), **more}


class Up:
    """A running `lightrouter up`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._ready_file = folder / "ready"
        self._log = folder / "log"
        command = [sys.executable, "-m", "lightrouter.cli", "up", "--listen", "127.0.0.1:0", *arguments]
        with self._log.open("w") as log:
            self.process = psutil.Popen(
                [*command, "--ready-file", str(self._ready_file)],
                env=environ({}),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.family: list[psutil.Process] = []

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text()

    def wait_ready(self) -> str:
        """Returns the router's address once `up` says that it is ready."""
        until("up is ready", lambda: self._ready_file.exists() or self.process.poll() is not None)
        assert self._ready_file.exists(), self.log
        self.family = self.process.children(recursive=True)
        return self._ready_file.read_text().strip()

    def service(self, module: str, candidate: str = "") -> psutil.Process | None:
        """Returns the process of a service, or None if there is none."""
        for process in self.process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                command = process.cmdline()
                if f"lightrouter.{module}" in command and (not candidate or candidate in command):
                    return process
        return None

    def running(self, module: str, candidate: str = "") -> psutil.Process:
        """Returns the process of a service as soon as there is one."""
        return until(f"{module} {candidate} runs", lambda: self.service(module, candidate))

    def end(self) -> None:
        """Leaves nothing running, whatever the test did."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.family += self.process.children(recursive=True)
        for process in (self.process, *self.family):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(TIMEOUT_S)
        self.process.stdout.close()
