"""`lightrouter init` with endpoints of Anthropic's and Google's APIs, and what the kept price list fills in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.cli.modelapis import api_of
from lightrouter.cli.pricelist import listed
from lightrouter.cli.served import ServedModel, models
from lightrouter.pool import file
from lightrouter.pool.prices import PriceList
from tests.unit.cli.init_support import Upstream, serving

YES, NO = {"supported": True}, {"supported": False}
CLAUDE = {
    "type": "model",
    "id": "claude-opus-4-6",
    "display_name": "Claude Opus 4.6",
    "max_input_tokens": 1_000_000,
    "max_tokens": 128_000,
    "capabilities": {
        "image_input": YES,
        "pdf_input": YES,
        "structured_outputs": NO,
        "effort": {**YES, "low": YES, "medium": YES, "high": YES, "max": YES, "xhigh": NO},
    },
}
GEMINI = {
    "name": "models/gemini-2.5-pro",
    "displayName": "Gemini 2.5 Pro",
    "inputTokenLimit": 1_048_576,
    "outputTokenLimit": 65_536,
    "supportedGenerationMethods": ["generateContent", "countTokens"],
    "thinking": True,
}
EMBEDS = {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        yield server


def made(upstream: Upstream, tmp_path: Path, provider: str, *more: str) -> tuple[Any, str]:
    """Returns the first entry of the written pool file, and its text."""
    out = tmp_path / "pool.yaml"
    assert run(["pool", "init", upstream.url, "--provider", provider, "--out", str(out), *more]) == 0
    (entry,) = file.load(out).entries.values()
    return entry, out.read_text()


def test_claude(upstream: Upstream, tmp_path: Path) -> None:
    upstream.pages["/v1/models"] = (200, json.dumps({"data": [CLAUDE], "has_more": False}).encode())
    entry, text = made(upstream, tmp_path, "anthropic")
    assert (entry.provider, entry.model, entry.context_window) == ("anthropic", "claude-opus-4-6", 1_000_000)
    assert entry.base_url == f"{upstream.url}/v1"
    assert (entry.continuation, entry.abilities) == ("none", ("tools", "parallel_tools", "images", "files"))
    assert entry.reasoning_efforts == ("low", "medium", "high", "maximum")
    prices = entry.to_proto("x").prices
    assert 0 < prices.cached_input_nanousd_per_million < prices.input_nanousd_per_million
    assert prices.cache_write_nanousd_per_million * 4 == prices.input_nanousd_per_million * 5
    assert "from genai-prices" in text
    assert "of 20" in text


def test_gemini(upstream: Upstream, tmp_path: Path) -> None:
    upstream.pages["/v1beta/models"] = (200, json.dumps({"models": [EMBEDS], "nextPageToken": "t"}).encode())
    upstream.pages["/v1beta/models?pageToken=t"] = (200, json.dumps({"models": [GEMINI]}).encode())
    entry, _ = made(upstream, tmp_path, "gemini")
    assert (entry.provider, entry.model, entry.context_window) == ("gemini", "gemini-2.5-pro", 1_048_576)
    assert entry.base_url == f"{upstream.url}/v1beta"
    assert (entry.continuation, "audio" in entry.abilities, "prefill" in entry.abilities) == ("trailing", True, True)
    (tier,) = entry.to_proto("x").prices.tiers
    assert tier.above_input_tokens == 200_000
    assert tier.input_nanousd_per_million > entry.to_proto("x").prices.input_nanousd_per_million


def test_openrouter_says_what_a_model_can_do() -> None:
    item = {
        "id": "some/model",
        "supported_parameters": ["tools", "response_format", "temperature"],
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    }
    (model,) = models({"data": [item, {"id": 5}]})
    assert model.abilities == ("tools", "json_object", "images")
    assert next(models({"data": [{"id": "m"}]})).abilities is None


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.anthropic.com", "anthropic"),
        ("api.anthropic.com/v1", "anthropic"),
        ("https://generativelanguage.googleapis.com/v1beta", "gemini"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "openai"),
        ("https://api.openai.com/v1", "openai"),
        ("http://localhost:11434", "openai"),
    ],
)
def test_the_api_by_the_host(url: str, provider: str) -> None:
    assert api_of(url, None).provider == provider
    assert api_of(url, "anthropic").provider == "anthropic"


@pytest.mark.parametrize(
    ("name", "goes_on"),
    [
        ("claude-3-5-haiku-20241022", True),
        ("claude-opus-4-20250514", True),
        ("claude-sonnet-4-5-20250929", True),
        ("claude-haiku-4-5", True),
        ("claude-opus-4-6", False),
        ("claude-sonnet-4-6-20260101", False),
        ("claude-opus-5-5", False),
        ("gemini-2.5-flash-lite", True),
        ("gemini-3-pro-preview", True),
        ("gemini-3.5-flash", True),
        ("gemini-3.6-flash", False),
        ("gemini-4-pro", False),
    ],
)
def test_models_that_go_on_from_their_text(name: str, goes_on: bool) -> None:
    (model,) = models({"data": [{"id": name}]}, "anthropic")
    assert isinstance(model, ServedModel)
    assert model.goes_on is goes_on


@pytest.mark.parametrize(
    ("api", "url", "model"),
    [
        ("openai", "https://api.openai.com/v1", "gpt-4o-mini"),
        ("openai", "https://api.deepseek.com/beta", "deepseek-chat"),
        ("openai", "https://api.mistral.ai/v1", "mistral-small-latest"),
        ("anthropic", "https://api.anthropic.com/v1", "claude-sonnet-4-5-20250929"),
        ("anthropic", "https://a-gateway.example/v1", "claude-sonnet-4-5"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-flash"),
    ],
)
def test_listed_prices_make_valid_entries(api: str, url: str, model: str) -> None:
    found = listed(api, url, model)
    assert found is not None
    prices = PriceList.model_validate(found.prices).to_proto()
    assert 0 < prices.input_nanousd_per_million < prices.output_nanousd_per_million


def test_an_unknown_server_or_model_has_no_listed_price() -> None:
    assert listed("openai", "http://localhost:8000/v1", "gpt-4o-mini") is None
    assert listed("anthropic", "https://api.anthropic.com/v1", "no-such-model") is None
