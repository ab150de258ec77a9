"""`lightrouter init` with endpoints of different providers: pages, redirects, keys, limits and prices."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.cli.endpoint import base_urls
from lightrouter.pool import file
from tests.unit.cli.init_support import Upstream, ids, serving


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        yield server


@pytest.mark.parametrize(
    ("more", "second"),
    [
        ({"has_more": True}, "/v1/models?after=a&after_id=a"),
        ({"has_more": True, "last_id": "z"}, "/v1/models?after=z&after_id=z"),
        ({"next_page_token": "t k"}, "/v1/models?page_token=t+k"),
        ({"after": "c"}, "/v1/models?after=c"),
        ({"next": "/v1/models?page=2"}, "/v1/models?page=2"),
        ({"next": "?page=2"}, "/v1/models?page=2"),
        ({"links": {"next": "/v1/models?offset=1&limit=1"}}, "/v1/models?offset=1&limit=1"),
    ],
)
def test_further_pages_are_read(upstream: Upstream, tmp_path: Path, more: Mapping[str, object], second: str) -> None:
    upstream.pages["/v1/models"] = (200, json.dumps({"data": [{"id": "a"}], **more}).encode())
    upstream.pages[second] = (200, json.dumps({"data": [{"id": "b"}, {"id": "a"}]}).encode())
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    assert ids(out) == ["a", "b"]


def test_pages_without_an_end_end(upstream: Upstream, tmp_path: Path) -> None:
    upstream.pages["/v1/models"] = (200, b'{"data": [{"id": "a"}], "next": "/v1/models"}')
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0
    assert len(upstream.asked) == 1


def test_a_next_page_elsewhere_gets_no_key(upstream: Upstream, tmp_path: Path) -> None:
    upstream.pages["/v1/models"] = (200, b'{"data": [{"id": "a"}], "next": "http://localhost:1/v1/models"}')
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_the_real_fault_is_said_rather_than_that_of_a_guessed_address(
    upstream: Upstream, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.pages[path] = (401, b"")
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 1
    assert f"{upstream.url}{path} needs an API key" in capsys.readouterr().err


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_root_where_it_arrived_is_written(upstream: Upstream, tmp_path: Path, status: int) -> None:
    upstream.pages["/v1/models"] = (status, b"/api/v2/models")
    upstream.lists({"id": "m"}, path="/api/v2/models")
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    assert file.load(out).entries["m"].base_url == f"{upstream.url}/api/v2"


def test_the_key_follows_no_redirect_to_another_origin(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    elsewhere = upstream.url.replace("127.0.0.1", "localhost")
    upstream.pages["/v1/models"] = (308, f"{elsewhere}/other/models".encode())
    assert run(["pool", "init", upstream.url, "--api-key-env", "SOME_KEY", "--out", str(tmp_path / "p.yaml")]) == 1
    assert f"redirects to {elsewhere}/other: " in capsys.readouterr().err
    assert [path for path, _ in upstream.asked] == ["/v1/models", "/models"]


def test_azures_version_and_key_header_are_kept(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    upstream.lists({"id": "m"}, path="/openai/models?api-version=2024-10-21")
    out = tmp_path / "p.yaml"
    url = f"{upstream.url}/openai?api-version=2024-10-21"
    assert run(["pool", "init", url, "--api-key-env", "SOME_KEY", "--out", str(out)]) == 0
    assert (upstream.asked[0][1], upstream.keys[0]) == (None, "s3cret")
    entry = file.load(out).entries["m"]
    assert (entry.base_url, entry.api_key_header) == (url, "api-key")
    assert "the name of your deployment" in out.read_text()


@pytest.mark.parametrize(
    ("item", "window"),
    [
        ({"context_window": 131072}, 131072),
        ({"max_context_length": 32768}, 32768),
        ({"context_length": True}, 0),
        ({"context_size": 8192}, 8192),
        ({"metadata": {"context_length": 131072}}, 131072),
        ({"metadata": 5}, 0),
    ],
)
def test_the_context_window_by_any_name(
    upstream: Upstream, tmp_path: Path, item: Mapping[str, object], window: int
) -> None:
    upstream.lists({"id": "m", **item})
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0
    assert file.load(tmp_path / "p.yaml").entries["m"].context_window == window


def test_deepinfras_prices_stand_in_an_object_of_their_own(upstream: Upstream, tmp_path: Path) -> None:
    pricing = {"input_tokens": 0.03, "output_tokens": 0.05, "cache_read_tokens": 0.01}
    upstream.lists({"id": "m", "metadata": {"pricing": pricing, "context_length": 131072}})
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0
    prices = file.load(tmp_path / "p.yaml").entries["m"].to_proto("x").prices
    assert (prices.input_nanousd_per_million, prices.output_nanousd_per_million) == (30_000_000, 50_000_000)
    assert prices.cached_input_nanousd_per_million == 10_000_000


def test_togethers_prices_are_per_million_and_its_list_has_no_head(upstream: Upstream, tmp_path: Path) -> None:
    pricing = {"hourly": 0, "input": 0.88, "output": 0.9, "base": 0, "finetune": 0}
    free = {"id": "n", "type": "chat", "pricing": {"hourly": 0, "input": 0, "output": 0}}
    upstream.pages["/v1/models"] = (200, json.dumps([{"id": "m", "type": "chat", "pricing": pricing}, free]).encode())
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    prices = file.load(out).entries["m"].to_proto("x").prices
    assert (prices.input_nanousd_per_million, prices.output_nanousd_per_million) == (880_000_000, 900_000_000)
    assert "# fill in: US dollars" in out.read_text()


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("o3-mini", "max_completion_tokens"),
        ("gpt-5.1", "max_completion_tokens"),
        ("openai/gpt-5", "max_completion_tokens"),
        ("o1", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
        ("phi-o1-like", "max_tokens"),
    ],
)
def test_the_token_limit_of_models_that_reason(upstream: Upstream, tmp_path: Path, model: str, field: str) -> None:
    upstream.lists({"id": model})
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    (entry,) = file.load(out).entries.values()
    assert entry.max_tokens_field.value == field


@pytest.mark.parametrize(
    ("typed", "roots"),
    [
        ("https://x.openai.azure.com/", ["/openai/v1"]),
        ("https://x.openai.azure.com/openai/v1/", ["/openai/v1"]),
        ("https://x.services.ai.azure.com", ["/openai/v1"]),
        ("https://azure.com.example.com", ["/v1", ""]),
    ],
)
def test_azure_has_the_api_under_a_root_of_its_own(typed: str, roots: list[str]) -> None:
    assert base_urls(typed) == ["https://" + typed.split("/")[2] + root for root in roots]
