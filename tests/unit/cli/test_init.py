import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.cli import endpoint
from lightrouter.cli.__main__ import run
from lightrouter.cli.served import ServedModel
from lightrouter.pool import file


class Handler(BaseHTTPRequestHandler):
    server: "Upstream"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        status, body = self.server.pages.get(self.path, (404, b"nothing here"))
        self.send_response(status)
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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def lists(self, *models: Mapping[str, object], path: str = "/v1/models") -> None:
        self.pages[path] = (200, json.dumps({"object": "list", "data": list(models)}).encode())


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_the_written_file_loads(upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upstream.lists(
        {"id": "llama3.2:latest", "owned_by": "library"},
        {"id": "org/Qwen-7B", "owned_by": "vllm", "max_model_len": 4096},
        {"id": "other/qwen-7b", "owned_by": "someone"},
    )
    out = tmp_path / "pool.yaml"
    assert run(["init", upstream.url, "--out", str(out)]) == 0
    entries = file.load(out).entries
    assert [(e.name, e.model, e.continuation.value, e.context_window) for e in entries.values()] == [
        ("llama3-2-latest", "llama3.2:latest", "trailing", 0),
        ("qwen-7b", "org/Qwen-7B", "continue_final_message", 4096),
        ("qwen-7b-2", "other/qwen-7b", "none", 0),
    ]
    assert {e.base_url for e in entries.values()} == {f"{upstream.url}/v1"}
    assert "# fill in: US dollars per million tokens" in out.read_text()
    captured = capsys.readouterr()
    assert captured.out == f"{out}: llama3-2-latest, qwen-7b, qwen-7b-2\n"
    assert "lightrouter up --pool" in captured.err


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/models"])
def test_the_url_may_or_may_not_have_v1(upstream: Upstream, tmp_path: Path, suffix: str) -> None:
    upstream.lists({"id": "m"})
    assert run(["init", upstream.url + suffix, "--out", str(tmp_path / "p.yaml")]) == 0


def test_an_endpoint_without_v1_works(upstream: Upstream, tmp_path: Path) -> None:
    upstream.lists({"id": "m"}, path="/api/models")
    assert run(["init", f"{upstream.url}/api", "--out", str(tmp_path / "p.yaml")]) == 0
    assert file.load(tmp_path / "p.yaml").entries["m"].base_url == f"{upstream.url}/api"


def test_the_key_is_sent_and_only_its_name_written(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    upstream.lists({"id": "m"})
    out = tmp_path / "p.yaml"
    assert run(["init", upstream.url, "--api-key-env", "SOME_KEY", "--out", str(out)]) == 0
    assert upstream.asked == [("/v1/models", "Bearer s3cret")]
    assert "s3cret" not in out.read_text()
    assert file.load(out).entries["m"].api_key_env == "SOME_KEY"


def test_prices_that_the_endpoint_says_are_taken_exactly(upstream: Upstream, tmp_path: Path) -> None:
    upstream.lists(
        {"id": "m", "context_length": 8192, "pricing": {"prompt": "0.00000015", "completion": "0.0000006"}},
        {"id": "n", "pricing": {"prompt": "-1", "completion": "-1"}},
    )
    assert run(["init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0
    prices = file.load(tmp_path / "p.yaml").entries["m"].to_proto("x").prices
    assert (prices.input_nanousd_per_million, prices.output_nanousd_per_million) == (150_000_000, 600_000_000)


def test_of_many_models_the_first_or_the_named_are_taken(upstream: Upstream, tmp_path: Path) -> None:
    upstream.lists(*({"id": f"m{number}"} for number in range(20)))
    out = tmp_path / "p.yaml"
    assert run(["init", upstream.url, "--out", str(out)]) == 0
    assert len(file.load(out).entries) == 8
    assert "# 12 more models are served" in out.read_text()
    assert run(["init", upstream.url, "--out", str(out), "--force", "--model", "m19", "--model", "m3"]) == 0
    assert list(file.load(out).entries) == ["m19", "m3"]


def test_a_file_that_is_there_stays(upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.yaml"
    out.write_text("mine")
    assert run(["init", upstream.url, "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>", "lists no models, or is not OpenAI-compatible"),
        (200, b'{"data": []}', "lists no models"),
        (200, b"[" * 100_000, "lists no models"),
        (200, b'{"data": [1, {"id": 2}, {"id": ""}]}', "lists no models"),
        (200, b"\xff", "lists no models"),
        (401, b"", "wants an API key: name the variable that holds it with --api-key-env"),
        (500, b"", "answered HTTP 500"),
    ],
)
def test_an_endpoint_that_does_not_say_is_one_sentence(
    upstream: Upstream, tmp_path: Path, status: int, body: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.pages["/v1/models"] = (status, body)
    assert run(["init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lightrouter init: {upstream.url}/v1/models {sentence}")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["ftp://h"], 1, "must be an http or https URL"),
        (["http://[::1"], 1, "must be an http or https URL"),
        (["http://localhost:1"], 1, "cannot be reached"),
        (["http://localhost:1", "--api-key-env", "NO_SUCH_KEY"], 2, "NO_SUCH_KEY of --api-key-env is not set"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", *arguments, "--out", str(tmp_path / "p.yaml")]) == code
    assert sentence in capsys.readouterr().err


def test_a_model_that_is_not_served_is_refused(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": "m"})
    assert run(["init", upstream.url, "--out", str(tmp_path / "p.yaml"), "--model", "x"]) == 2
    assert "does not serve x; it serves m" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_sentence(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": "m"})
    assert run(["init", upstream.url, "--out", str(tmp_path / "no" / "p.yaml")]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


@given(
    st.lists(
        st.builds(
            ServedModel,
            id=st.text(min_size=1, max_size=100).filter(lambda text: text.isprintable() or len(text) > 3),
            owned_by=st.sampled_from(["", "vllm", "library", "llamacpp", "x"]),
            context_window=st.integers(0, 2**39),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_model_name_makes_a_pool_that_loads(models: list[ServedModel]) -> None:
    content = endpoint.pool_text("http://h/v1", models, 0, None)
    assert [e.model for e in file.parse(content.encode(), Path("p")).entries.values()] == [m.id for m in models]


def test_a_quoted_value_is_one_line() -> None:
    assert yaml.safe_load(endpoint._quoted("a\nb: {c}")) == "a\nb: {c}"
    assert "\n" not in endpoint._quoted("a " * 500)
