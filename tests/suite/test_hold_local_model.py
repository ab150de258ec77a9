"""A held call to the real local model: one text, one prefill, and a slot that is free once the call is dropped."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest

from lightrouter.v1.chat_pb2 import Sampling
from tests.held import Held, read, read_to_checkpoint
from tests.rpc.adapter_support import LENGTH, Adapter, adapter, generation
from tests.suite.test_local_model import QUESTION, Local, local, model_file

__all__ = ["local", "model_file"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp, the optional dependency `local`, is not installed"
)

GREEDY = Sampling(max_output_tokens=24, temperature=0)
LONG = 600.0


async def slots(local: Local) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await local.http.get(local.http.base_url.join("/slots"))).json()
    return found


async def hold(served: Adapter, tokens: int, question: str = QUESTION) -> Held:
    return await read(served.hold(generation(question, sampling=GREEDY), tokens, LONG))


async def test_a_held_call_writes_the_text_of_an_uninterrupted_one_and_reads_the_prompt_once(local: Local) -> None:
    async with adapter(str(local.http.base_url), model=local.model) as served:
        first = await hold(served, 1, "How does a bicycle stay upright?")
        # The server numbers its tasks: the held call was one, and it found nothing of the prompt in a cache.
        assert max(slot.get("id_task", -1) for slot in await slots(local)) == 0
        assert first.result.usage.cached_input_tokens == 0
        whole = await hold(served, 0)
        assert whole.result.finish_reason == LENGTH
        for tokens in (1, 9):
            limit = Sampling(max_output_tokens=tokens, temperature=0)
            cut = await served.generate(generation(QUESTION, sampling=limit))
            held = await hold(served, tokens)
            assert held.output == whole.output
            assert held.before.text == cut.text
            assert held.result.finish_reason == LENGTH
            assert held.checkpoint is not None
            assert held.checkpoint.usage.output_tokens == tokens
            assert held.result.usage.input_tokens == whole.result.usage.input_tokens
            assert held.result.usage.output_tokens == 24


async def test_a_dropped_call_frees_its_slot(local: Local) -> None:
    endless = Sampling(max_output_tokens=4000, temperature=0)
    body = {"ignore_eos": True}
    async with adapter(str(local.http.base_url), model=local.model, extra_body=body) as served:
        calls = [served.hold(generation(f"{QUESTION} {number}", sampling=endless), 8, LONG) for number in range(2)]
        await asyncio.gather(*(read_to_checkpoint(call) for call in calls))
        assert any(slot["is_processing"] for slot in await slots(local))
        for call in calls:
            call.cancel()
        async with asyncio.timeout(600):
            while any(slot["is_processing"] for slot in await slots(local)):
                continue
