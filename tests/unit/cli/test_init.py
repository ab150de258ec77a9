from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.cli import poolentries
from lightrouter.cli.__main__ import run
from lightrouter.cli.served import ServedModel, models
from lightrouter.pool import file
from tests.unit.cli.init_support import Upstream, ids, serving


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with serving() as server:
        yield server


def test_the_written_file_loads(upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upstream.lists(
        {"id": "llama3.2:latest", "owned_by": "library"},
        {"id": "org/Qwen-7B", "owned_by": "vllm", "max_model_len": 4096},
        {"id": "other/qwen-7b", "owned_by": "someone"},
    )
    out = tmp_path / "pool.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
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
    assert run(["pool", "init", upstream.url + suffix, "--out", str(tmp_path / "p.yaml")]) == 0


def test_an_endpoint_without_v1_works(upstream: Upstream, tmp_path: Path) -> None:
    upstream.lists({"id": "m"}, path="/api/models")
    assert run(["pool", "init", f"{upstream.url}/api", "--out", str(tmp_path / "p.yaml")]) == 0
    assert file.load(tmp_path / "p.yaml").entries["m"].base_url == f"{upstream.url}/api"


def test_the_key_is_sent_and_only_its_name_written(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    upstream.lists({"id": "m"})
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--api-key-env", "SOME_KEY", "--out", str(out)]) == 0
    assert upstream.asked == [("/v1/models", "Bearer s3cret")]
    assert "s3cret" not in out.read_text()
    assert file.load(out).entries["m"].api_key_env == "SOME_KEY"


def test_prices_that_the_endpoint_says_are_taken_exactly(upstream: Upstream, tmp_path: Path) -> None:
    upstream.lists(
        {"id": "m", "context_length": 8192, "pricing": {"prompt": "0.00000015", "completion": "0.0000006"}},
        {"id": "n", "pricing": {"prompt": "-1", "completion": "-1"}},
    )
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0
    prices = file.load(tmp_path / "p.yaml").entries["m"].to_proto("x").prices
    assert (prices.input_nanousd_per_million, prices.output_nanousd_per_million) == (150_000_000, 600_000_000)


def test_the_first_or_the_named_of_many_models_are_taken(upstream: Upstream, tmp_path: Path) -> None:
    upstream.lists(*({"id": f"m{number}"} for number in range(20)))
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    assert len(file.load(out).entries) == 8
    assert "# 12 more models are served" in out.read_text()
    assert run(["pool", "init", upstream.url, "--out", str(out), "--force", "--model", "m19", "--model", "m3"]) == 0
    assert list(file.load(out).entries) == ["m19", "m3"]


def test_a_file_that_is_there_stays(upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "p.yaml"
    out.write_text("mine")
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>", "lists no models, or does not speak the API openai"),
        (200, b'{"data": []}', "lists no models"),
        (200, b"[" * 100_000, "lists no models"),
        (200, b'{"data": [1, {"id": 2}, {"id": ""}]}', "lists no models"),
        (200, b"\xff", "lists no models"),
        (401, b"", "needs an API key: name its environment variable with --api-key-env"),
        (500, b"", "answered HTTP 500"),
    ],
)
def test_an_endpoint_that_does_not_say_is_one_sentence(
    upstream: Upstream, tmp_path: Path, status: int, body: bytes, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.pages["/v1/models"] = (status, body)
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lightrouter pool init: {upstream.url}/v1/models {sentence}")
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "p.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["ftp://h"], 2, "must be an http or https URL"),
        (["http://[::1"], 2, "must be an http or https URL"),
        (["http://user:hunter2@localhost:1/v1"], 2, "must not hold credentials; name the key with --api-key-env"),
        (["http://localhost:1"], 1, "cannot be reached"),
        (["http://localhost:1", "--api-key-env", "NO_SUCH_KEY"], 2, "NO_SUCH_KEY of --api-key-env is not set"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pool", "init", *arguments, "--out", str(tmp_path / "p.yaml")]) == code
    assert sentence in capsys.readouterr().err


def test_a_model_that_is_not_served_is_refused(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": "m"})
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml"), "--model", "x"]) == 2
    assert "does not serve x; it serves m" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_sentence(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": "m"})
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "no" / "p.yaml")]) == 2
    assert "no/p.yaml cannot be used: No such file or directory" in capsys.readouterr().err


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
    content = poolentries.pool_text("http://h/v1", models, 0, None)
    assert [e.model for e in file.parse(content.encode(), Path("p")).entries.values()] == [m.id for m in models]


def test_a_quoted_value_is_one_line() -> None:
    assert yaml.safe_load(poolentries._quoted("a\nb: {c}")) == "a\nb: {c}"
    assert "\n" not in poolentries._quoted("a " * 500)


@pytest.mark.parametrize(
    "other",
    [
        {"id": "text-embedding-3-small"},
        {"id": "nomic-embed-text:latest"},
        {"id": "whisper-large-v3-turbo"},
        {"id": "tts-1-hd"},
        {"id": "gpt-4o-mini-tts"},
        {"id": "dall-e-3"},
        {"id": "gpt-image-1"},
        {"id": "omni-moderation-latest"},
        {"id": "gpt-4o-transcribe"},
        {"id": "black-forest-labs/FLUX.1-schnell"},
        {"id": "BAAI/bge-large-en-v1.5"},
        {"id": "x", "type": "embedding"},
        {"id": "x", "type": "image"},
        {"id": "x", "type": "rerank"},
        {"id": "x", "capabilities": {"completion_chat": False}},
        {"id": "x", "architecture": {"output_modalities": ["image"]}},
        {"id": "x", "supports_chat": False},
        {"id": "x", "active": False},
        {"id": "x", "endpoints": ["embed"]},
        {"id": "x", "supportedGenerationMethods": ["embedContent"]},
    ],
)
def test_a_model_that_writes_no_text_is_no_candidate(
    upstream: Upstream, tmp_path: Path, other: Mapping[str, object]
) -> None:
    upstream.lists(other, {"id": "chat-model"})
    out = tmp_path / "p.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    assert ids(out) == ["chat-model"]
    upstream.lists(other)
    assert run(["pool", "init", upstream.url, "--out", str(out), "--force"]) == 1
    assert run(["pool", "init", upstream.url, "--out", str(out), "--force", "--model", str(other["id"])]) == 0


@pytest.mark.parametrize(
    "model",
    [
        {"id": "gpt-4o"},
        {"id": "meta-llama/Llama-3.3-70B", "type": "chat"},
        {"id": "claude-x", "type": "model"},
        {"id": "openai/gpt-oss-120b"},
        {"id": "x", "capabilities": {"completion_chat": True}},
        {"id": "influx-chat"},
        {"id": "x", "active": True},
        {"id": "x", "endpoints": ["chat", "generate"]},
        {"id": "x", "endpoints": []},
    ],
)
def test_a_model_that_writes_text_is_one(upstream: Upstream, tmp_path: Path, model: Mapping[str, object]) -> None:
    upstream.lists(model)
    assert run(["pool", "init", upstream.url, "--out", str(tmp_path / "p.yaml")]) == 0


@pytest.mark.parametrize("listed", ["https://api.deepseek.com", "https://api.deepseek.com/v1"])
def test_deepseeks_prefix_has_the_root_that_takes_it(listed: str, tmp_path: Path) -> None:
    out = tmp_path / "p.yaml"
    out.write_text(poolentries.pool_text(listed, [ServedModel("deepseek-chat", "deepseek")], 0, None))
    entry = file.load(out).entries["deepseek-chat"]
    assert (entry.base_url, entry.continuation.value) == ("https://api.deepseek.com/beta", "prefix")


OTHERS = """
text-embedding-3-large BAAI/bge-m3 bge-m3:latest nomic-embed-text:latest mxbai-embed-large all-minilm:l6-v2
intfloat/e5-mistral-7b-instruct intfloat/multilingual-e5-large thenlper/gte-large
Alibaba-NLP/gte-Qwen2-7B-instruct snowflake-arctic-embed2 jina-clip-v2 jina-reranker-v2
sentence-transformers/all-mpnet-base-v2 paraphrase-multilingual-mpnet colbert-ir/colbertv2.0
whisper-large-v3-turbo distil-whisper-large-v3-en tts-1-hd gpt-4o-mini-tts gpt-4o-transcribe dall-e-3
gpt-image-1 chatgpt-image-latest imagen-4.0-generate-001 veo-3.0 sora-2 black-forest-labs/FLUX.1-schnell
flux-pro stabilityai/stable-diffusion-3 stable-diffusion-xl sdxl-turbo omni-moderation-latest
meta-llama/Llama-Guard-4-12B llama-guard-3-8b google/shieldgemma-9b cohere/rerank-v3.5 mistral-ocr-latest
mistral-moderation-latest gpt-realtime gpt-4o-realtime-preview gpt-audio gpt-4o-audio-preview canary-1b
nvidia/parakeet-tdt hexgrad/Kokoro-82M suno/bark cartesia/sonic-2 eleven_multilingual_v2 playai-tts
voxtral-mini-transcribe recraft-v3 ideogram-v3 playground-v2.5 wan-2.1-t2v kling-v1 hailuo-02 voyage-3-large
voyage-code-3 grok-2-image gemini-2.5-flash-image gemini-embedding-001 gemini-2.5-flash-preview-tts
models/text-embedding-004 models/aqa Qwen/Qwen3-Embedding-8B Qwen/Qwen3-Reranker-4B qwen-image
wanx2.1-t2i-turbo paraformer-v2 cosyvoice-v1 sensevoice-small fish-speech-1.5 MeloTTS text-moderation-latest
davinci-002 deepgram/nova-2 lyria-002 seedream-3 seedance-1 cogview-4 cogvideox-3 hunyuan-image sentence-t5
instructor-xl ada-002 deepset/roberta-base-squad2 bge-reranker-large stt-1 text2vec-large m3e-base
uae-large-v1 qwen3-asr-flash Kwai-Kolors/Kolors wan2.2-t2v-plus Wan-AI/Wan2.2-I2V-A14B qwen3-livetranslate-flash
gpt-3.5-turbo-instruct o1-pro gpt-5-pro gpt-5.2-pro o4-mini-deep-research computer-use-preview codex-mini-latest
"""
CHATS = """
gpt-4o gpt-4o-2024-08-06 gpt-5-mini o3 claude-sonnet-4 llama3.1:8b mistral-large gemini-2.5-flash
deepseek-chat qwen3:8b qwen2.5-vl-72b codestral-latest command-r-plus phi-4 gemma-3-27b-it grok-4 sonar-pro
kimi-k2 glm-4.6 mixtral-8x7b nova-pro voxtral-small-latest openai/gpt-oss-20b nvidia/nemotron-nano
seed-oss-36b guardian-chat LFM2-1.2B safeguard granite-3.3-8b-instruct gpt-oss-safeguard-20b solar-pro
wanderer-7b imaginative-13b barkley-7b canaryllm o1 o3-mini gpt-5.1-codex gpt-3.5-turbo amazon/nova-2-lite imagine-8b
"""

OTHERS += """
llama-guard3:8b nvidia/llama-3.1-nemoguard-8b-content-safety nemotron-4-340b-reward nvidia/nvclip
paraphrase-multilingual models/gemini-2.0-flash-live-001 gemini-live-2.5-flash nano-banana-pro-preview z-image-turbo
grok-imagine-video grok-2-image-1212 image-01 music-2.0 viduq1-text amazon.nova-canvas-v1:0 amazon.nova-reel-v1:0
amazon.nova-sonic-v1:0 amazon.titan-image-generator-v2:0 luma.ray-v2:0 stability.sd3-5-large-v1:0 sambert-zhichu-v1
glm-4-voice twelvelabs.marengo-embed-2-7
"""
CHATS += " sonar-deep-research qwen3-omni-flash qvq-max amazon.nova-pro-v1:0 musicology-8b liveoak-7b minimax-m2"


def test_names_tell_who_writes_text() -> None:
    listed = [{"id": name} for name in (*OTHERS.split(), *CHATS.split())]
    assert {model.id for model in models({"data": listed}) if model.chats} == set(CHATS.split())


@pytest.mark.parametrize("strange", ["a\x1b[31m", "a\nb", "a\u202eb", "a\x9b", "a\ud800", "x" * 513, "", 5, None])
def test_a_model_whose_name_nobody_can_use_is_passed_over(
    tmp_path: Path, upstream: Upstream, strange: object, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.lists({"id": strange}, {"id": "1e5"})
    out = tmp_path / "pool.yaml"
    assert run(["pool", "init", upstream.url, "--out", str(out)]) == 0
    assert [entry.model for entry in file.load(out).entries.values()] == ["1e5"]
    assert capsys.readouterr().out == f"{out}: 1e5\n"


PER_TOKEN = {"prompt": "0.00000025", "completion": "0.00000069"}


@pytest.mark.parametrize(
    ("item", "window", "prices", "chats"),
    [
        # Vercel, Cerebras, SambaNova and W&B state prices per token, Chutes, Together and DeepInfra per million.
        (
            {"type": "language", "context_window": 9000, "pricing": {"input": "0.000003", "output": "0.000015"}},
            9000,
            {"input": "3", "output": "15"},
            True,
        ),
        (
            {"limits": {"max_context_length": 9000}, "pricing": {**PER_TOKEN, "input_cache_reads": "0.0000001"}},
            9000,
            {"input": "0.25", "cached_input": "0.1", "output": "0.69"},
            True,
        ),
        ({"pricing": {"prompt": "0.00015", "completion": "0.0006"}}, 0, {"input": "150", "output": "600"}, True),
        ({"pricing": {"prompt": 0.1999, "completion": 0.8001}}, 0, {"input": "0.1999", "output": "0.8001"}, True),
        ({"pricing": {"prompt": "0", "completion": "0"}}, 0, {"input": "0", "output": "0"}, True),
        ({"pricing": {"input": 0, "output": 0}, "type": "chat"}, 0, None, True),
        ({"pricing": {"prompt": "free", "completion": "free"}}, 0, None, True),
        (
            {"metadata": {"pricing": {"input_tokens": 0.005, "output_tokens": 0.01}}},
            0,
            {"input": "0.005", "output": "0.01"},
            True,
        ),
        (
            {
                "type": "text",
                "model_spec": {"availableContextTokens": 9000, "pricing": {"input": {"usd": 1}, "output": {"usd": 2}}},
            },
            9000,
            {"input": "1", "output": "2"},
            True,
        ),
        # Hugging Face's router may ask the provider with the smallest window, or the dearest.
        (
            {
                "providers": [
                    {"status": "live", "context_length": 9000, "pricing": {"input": 0.3, "output": 1.15}},
                    {"status": "live", "context_length": 8000, "pricing": {"input": 0.5, "output": 2}},
                    {"status": "error", "context_length": 1},
                ]
            },
            8000,
            {"input": "0.5", "output": "2"},
            True,
        ),
        ({"context_size": 9000, "model_type": "chat", "endpoints": ["chat/completions"]}, 9000, None, True),
        ({"model_type": "embedding"}, 0, None, False),
        ({"task": "chat-completion"}, 0, None, True),
        ({"task": "chat_completion"}, 0, None, True),
        ({"task": "embeddings"}, 0, None, False),
        ({"mode": "embedding"}, 0, None, False),
        ({"supported_output_modalities": ["embeddings"]}, 0, None, False),
        ({"output_modalities": ["image"]}, 0, None, False),
        ({"context_length": "9000"}, 9000, None, True),
        ({"context_length": None, "top_provider": {"context_length": 9000}}, 9000, None, True),
    ],
)
def test_what_lists_say_of_a_model(
    item: Mapping[str, object], window: int, prices: Mapping[str, str] | None, chats: bool
) -> None:
    (model,) = models({"data": [{"id": "m", **item}]})
    assert (model.context_window, model.prices, model.chats) == (window, prices, chats)
