"""An endpoint that lists models."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lightrouter.pool import file


class Handler(BaseHTTPRequestHandler):
    server: "Upstream"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.server.keys.append(self.headers.get("api-key"))
        status, body = self.server.pages.get(self.path, (404, b"nothing here"))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        pass


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def lists(self, *models: Mapping[str, object], path: str = "/v1/models") -> None:
        self.pages[path] = (200, json.dumps({"object": "list", "data": list(models)}).encode())


def ids(out: Path) -> list[str]:
    return [entry.model for entry in file.load(out).entries.values()]


@contextmanager
def serving() -> Iterator[Upstream]:
    """Serves an endpoint while the context lasts."""
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
