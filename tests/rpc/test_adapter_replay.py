"""A candidate that answers from a recording, behind a real adapter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.recordings import line, write
from tests.rpc.adapter_support import Adapter, adapter, generation, most
from tests.rpc.test_adapter_process import environment

ANSWER = "Rayleigh scattering: blue light is scattered most."


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    said = {"tiny": {"text": ANSWER, "latency_s": 0.4}}
    return write(tmp_path / "data.jsonl.gz", [line("Why is the sky blue?", {}, responses=said)])


@pytest.fixture
async def replay(recording: Path) -> AsyncIterator[Adapter]:
    prices = {"input": "1", "output": "2"}
    async with adapter("", provider="replay", recording=str(recording), prices=prices) as serving:
        yield serving


async def test_a_boot_is_cut_and_gone_on_from(replay: Adapter) -> None:
    boot = await replay.generate(generation("Why is the sky blue?", sampling=most(4)))
    assert boot.text == "Rayleigh scattering:"
    assert boot.result.finish_reason == FinishReason.FINISH_REASON_LENGTH
    assert boot.result.usage == Usage(input_tokens=10, output_tokens=4)
    assert boot.result.cost_nanousd == 10 * 1000 + 4 * 2000
    asked = generation("Why is the sky blue?", prefix=boot.text, continuation=boot.result.continuation)
    rest = await replay.generate(asked)
    assert boot.text + rest.text == ANSWER
    assert not rest.restarted
    assert rest.result.finish_reason == FinishReason.FINISH_REASON_STOP
    assert rest.result.usage == Usage(input_tokens=14, output_tokens=7)
    assert rest.result.model == "tiny"


async def test_a_stream_says_the_same(replay: Adapter) -> None:
    texts: list[str] = []
    await replay.read(generation("Why is the sky blue?"), texts)
    assert "".join(texts) == ANSWER


async def test_the_recorded_pace_is_kept_where_it_is_asked_for(recording: Path) -> None:
    async with adapter("", provider="replay", recording=str(recording), pace=True) as replay:
        texts: list[str] = []
        await replay.read(generation("Why is the sky blue?"), texts)
        whole = await replay.generate(generation("Why is the sky blue?"))
    assert "".join(texts) == ANSWER
    assert len([text for text in texts if text]) > 1
    assert whole.result.elapsed.ToTimedelta().total_seconds() >= 0.4


async def test_an_unrecorded_prompt_is_named_and_opens_no_circuit(replay: Adapter) -> None:
    for _ in range(20):
        with pytest.raises(ServiceError) as caught:
            await replay.generate(generation("Who are you?"))
        assert caught.value.reason == ErrorReason.ERROR_REASON_NOT_RECORDED
        assert caught.value.message == "the recording has no response of tiny to this conversation"
    assert (await replay.generate(generation("Why is the sky blue?"))).text == ANSWER


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"recording": "none.jsonl"}, "none.jsonl: cannot be read: No such file or directory"),
        (
            {"recording": "data.jsonl.gz", "model": "huge"},
            "has no responses of huge; it has those of tiny",
        ),
    ],
)
def test_an_adapter_without_its_recording_stops_with_a_sentence(
    recording: Path, entry: dict[str, str], fault: str
) -> None:
    pool = recording.parent / "pool.yaml"
    candidate = {"name": "fast", "provider": "replay", "model": "tiny", **entry}
    pool.write_text(yaml.safe_dump({"candidates": [candidate]}))
    command = [sys.executable, "-m", "lightrouter.adapter", f"--pool={pool}", "--candidate=fast"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 2
    assert fault in done.stderr
    assert "Traceback" not in done.stderr
