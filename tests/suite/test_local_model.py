"""The real local model: llama.cpp with SmolLM2-135M in a process of its own."""

import asyncio
import importlib.util
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from watchfiles import awatch

from lightrouter.localmodel.download import fetch_model

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp, the optional dependency `local`, is not installed"
)

COMMAND = [sys.executable, "-m", "lightrouter.localmodel"]
SOURCES = Path(__file__).parents[2] / "services"
SYSTEMS = [
    "You are a careful scientist. Explain step by step.",
    "You are a friendly teacher. Use simple words.",
    "You are a terse engineer. Answer in short sentences.",
]
QUESTION = "Why does the sky look blue at noon and red in the evening?"

Message = dict[str, str]


@dataclass(frozen=True)
class Local:
    process: Process
    http: httpx.AsyncClient
    model: str


async def spawn(*arguments: str) -> Process:
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    return await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=PIPE, stderr=PIPE, env=environment)


@pytest.fixture(scope="module")
def model_file() -> Path:
    return fetch_model()


@pytest.fixture
async def local(model_file: Path) -> AsyncIterator[Local]:
    async with serving(model_file) as served:
        yield served


@asynccontextmanager
async def serving(model: Path, *arguments: str) -> AsyncIterator[Local]:
    process = await spawn("--model", str(model), *arguments)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    async with httpx.AsyncClient(base_url=ready["base_url"], timeout=600) as http:
        yield Local(process, http, ready["model"])
    if process.returncode is None:
        process.kill()
    await process.communicate()


def about(question: str, system: str = SYSTEMS[0]) -> list[Message]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


async def chat(local: Local, messages: list[Message], **fields: Any) -> dict[str, Any]:
    reply = await local.http.post("chat/completions", json={"model": local.model, "messages": messages} | fields)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def text_of(body: dict[str, Any]) -> str:
    text: str = body["choices"][0]["message"]["content"]
    return text


def prefilled(body: dict[str, Any]) -> int:
    usage = body["usage"]
    tokens: int = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
    return tokens


async def stream(local: Local, messages: list[Message], **fields: Any) -> AsyncGenerator[dict[str, Any], None]:
    fields |= {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    # llama.cpp closes the connection after a stream although it promises to keep it.
    headers = {"Connection": "close"}
    async with local.http.stream("POST", "chat/completions", json=fields, headers=headers) as reply:
        assert reply.status_code == 200
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


async def test_it_names_its_model_and_answers(local: Local) -> None:
    models = (await local.http.get("models")).json()
    assert [model["id"] for model in models["data"]] == [local.model]

    body = await chat(local, about(QUESTION), max_tokens=12)

    assert text_of(body)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 12


async def test_going_on_from_a_boot_text_costs_no_second_prefill(local: Local) -> None:
    boot = await chat(local, about(QUESTION), max_tokens=40, temperature=0)
    assert prefilled(boot) == boot["usage"]["prompt_tokens"]

    going_on = [*about(QUESTION), {"role": "assistant", "content": text_of(boot)}]
    chunks = [chunk async for chunk in stream(local, going_on, max_tokens=20, temperature=0)]

    # A sampled text may split into other tokens at its end when it is read again.
    assert prefilled(chunks[-1]) <= 4
    assert chunks[-1]["usage"]["prompt_tokens"] >= boot["usage"]["total_tokens"] - 4
    rest = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert rest
    assert not rest.startswith(text_of(boot))


async def test_three_candidates_keep_their_caches_while_a_judge_reads_them(local: Local) -> None:
    questions = [QUESTION, "How does a bicycle stay upright while it moves?"]
    prompts = [about(question, system) for question in questions for system in SYSTEMS]
    boots = await asyncio.gather(
        *(chat(local, prompt, max_tokens=24, temperature=0.3 + 0.1 * n, seed=n) for n, prompt in enumerate(prompts))
    )
    partials = "\n\n".join(text_of(boot) for boot in boots)
    await asyncio.gather(*(chat(local, about(f"{order}: {partials}"), max_tokens=8) for order in ("One", "Two")))

    rests = await asyncio.gather(
        *(
            chat(local, [*prompt, {"role": "assistant", "content": text_of(boot)}], max_tokens=8)
            for prompt, boot in zip(prompts, boots, strict=True)
        )
    )

    assert max(prefilled(rest) for rest in rests) <= 12
    assert min(rest["usage"]["prompt_tokens"] for rest in rests) > 40


async def test_leaving_a_stream_frees_its_slot(local: Local) -> None:
    fields = {"max_tokens": 4000, "ignore_eos": True}
    chunks = stream(local, about("Tell a very long story."), **fields)
    await anext(chunks)
    await chunks.aclose()

    slots = local.http.base_url.join("/slots")
    async with asyncio.timeout(600):
        while any(slot["is_processing"] for slot in (await local.http.get(slots)).json()):
            continue


async def test_a_prompt_beyond_the_context_is_refused(local: Local) -> None:
    reply = await local.http.post("chat/completions", json={"messages": about("word " * 30_000)})

    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "exceed_context_size_error"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_on_a_signal_while_it_writes(local: Local, stop: signal.Signals) -> None:
    chunks = stream(local, about("Tell a very long story."), max_tokens=4000, ignore_eos=True)
    await anext(chunks)

    local.process.send_signal(stop)
    output, errors = await local.process.communicate()

    assert local.process.returncode == 0
    assert (output, errors) == (b"", b"")
    with pytest.raises(httpx.HTTPError):
        _ = [chunk async for chunk in chunks]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the parent is looked for once a second")
async def test_it_ends_with_the_process_that_started_it(model_file: Path) -> None:
    parent = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), end='', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", parent, *COMMAND, "--model", str(model_file), "--exit-with-parent"]
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    json.loads(await process.stdout.readline())

    process.kill()
    # The child holds the other end of standard error: it closes when the child is gone.
    assert await process.stderr.read() == b""
    await process.wait()


async def test_the_address_is_left_in_a_file(model_file: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    process = await spawn("--model", str(model_file), "--ready-file", str(ready))
    # awatch looks first and tells of changes later, so a file that is there before the watch began is seen below.
    async for _ in awatch(tmp_path, rust_timeout=100, yield_on_timeout=True):
        if ready.exists() or process.returncode is not None:
            break
    announced = json.loads(ready.read_text(encoding="utf-8"))

    async with httpx.AsyncClient(base_url=announced["base_url"], timeout=600) as http:
        assert (await http.get("models")).status_code == 200
    assert announced["pid"] == process.pid
    process.terminate()
    assert await process.communicate() == (b"", b"")
    assert process.returncode == 0


async def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"<html>")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--model", str(model), stdout=DEVNULL, stderr=PIPE, env=os.environ | {"PYTHONPATH": str(SOURCES)}
    )
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert errors.decode() == f"{model} is not a GGUF model file.\n"


async def test_a_taken_port_is_named(local: Local, model_file: Path) -> None:
    port = str(local.http.base_url.port)
    process = await spawn("--model", str(model_file), "--port", port)
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert f"127.0.0.1:{port}" in errors.decode()
