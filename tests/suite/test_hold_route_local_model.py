"""A held route over the real local model: one text, one prefill a candidate, and free slots after the choice."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lightrouter.v1.policy_pb2 import HOLD_ALWAYS, HOLD_NEVER, SELECTOR_STRATEGY_PRIOR, Policy
from lightrouter.v1.router_pb2 import Prompt
from tests.suite.rig import Suite, entry, prompt, running
from tests.suite.test_local_model import QUESTION, SYSTEMS, Local, about, chat, local, model_file

__all__ = ["local", "model_file"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp, the optional dependency `local`, is not installed"
)

NAMES = ("scientist", "teacher", "engineer")
ROUTED = Policy(boot_tokens=6, k=1, hold=HOLD_ALWAYS, selector=SELECTOR_STRATEGY_PRIOR)


@asynccontextmanager
async def suite_of(folder: Path, local: Local) -> AsyncIterator[Suite]:
    """Runs three candidates that differ in their instructions, the first the best by its prior."""
    entries = [
        entry(
            name,
            str(local.http.base_url),
            model=local.model,
            system_prompt=system,
            prior=0.9 - place / 10,
            limits={"retries": 0},
            # The losers would write until their limit if nobody left them.
            extra_body={"ignore_eos": True} if place else {},
        )
        for place, (name, system) in enumerate(zip(NAMES, SYSTEMS, strict=True))
    ]
    async with running(folder, *entries, router={"quorum": 1.0, "aggregator": "best"}) as suite:
        yield suite


def asked(policy: Policy, tokens: int) -> Prompt:
    question = prompt(policy, QUESTION)
    question.sampling.temperature = 0
    question.sampling.max_output_tokens = tokens
    return question


async def slots(local: Local) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await local.http.get(local.http.base_url.join("/slots"))).json()
    return found


async def test_a_held_route_s_answer_is_the_text_of_one_uninterrupted_call(folder: Path, local: Local) -> None:
    async with suite_of(folder, local) as suite:
        held = await suite.complete(asked(ROUTED, 24))
        alone = Policy(boot_tokens=24, k=1, hold=HOLD_NEVER, candidates=[NAMES[0]])
        whole = await suite.complete(asked(alone, 24))
    assert held.text == whole.text
    assert held.finish_reason == whole.finish_reason
    assert not held.degraded
    # One call a candidate, so one prefill; the winner's prompt is as long, by the server's count, as that of one call.
    lines = {line.candidate: line for line in held.ledger.entries}
    assert len(lines) == len(held.ledger.entries) == 3
    assert not lines[NAMES[0]].usage.estimated
    assert lines[NAMES[0]].went_on
    assert lines[NAMES[0]].usage.input_tokens == whole.ledger.entries[0].usage.input_tokens


async def read_tokens(local: Local) -> int:
    """Returns the prompt tokens that the server has computed so far, by its own count; cached ones are not in it."""
    page = (await local.http.get(local.http.base_url.join("/metrics"))).text
    (count,) = re.findall(r"^llamacpp:prompt_tokens_total (\d+)$", page, re.MULTILINE)
    return int(count)


async def test_the_server_reads_each_prompt_of_a_held_route_once(folder: Path, local: Local) -> None:
    async with suite_of(folder, local) as suite:
        answer = await suite.complete(asked(ROUTED, 24))
    read = await read_tokens(local)
    assert not answer.degraded
    assert next(line for line in answer.ledger.entries if line.candidate == NAMES[0]).went_on
    prompts = [await chat(local, about(QUESTION, system), max_tokens=1) for system in SYSTEMS]
    assert read == sum(prompt["usage"]["prompt_tokens"] for prompt in prompts)


async def test_losers_free_their_slots_at_the_choice(folder: Path, local: Local) -> None:
    async with suite_of(folder, local) as suite:
        answer = await suite.complete(asked(ROUTED, 1500))
        async with asyncio.timeout(600):
            while any(slot["is_processing"] for slot in await slots(local)):
                continue
    lost = [line for line in answer.ledger.entries if line.candidate != NAMES[0]]
    assert len(lost) == 2
    assert all(6 <= line.usage.output_tokens < 1500 for line in lost)
    assert not answer.degraded
