"""Changes of a pool entry: which make a new engine, and which close the circuit of the provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.adapter.engine import Engine
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.live import LiveEngine
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime.circuit import State

ENTRY: dict[str, Any] = {"name": "fast", "base_url": "http://h/v1", "model": "tiny", "circuit": {"failures": 1}}
# Members that change no request: the evaluator sets them, or the router computes with them.
REPORTED: dict[str, Any] = {
    "state": "probation",
    "prior": 0.9,
    "prices": {"input": "1"},
    "address": "dns:///other:50051",
    "context_window": 8192,
    "max_boot_tokens": 500,
    "fixed_input_tokens": 7,
    "abilities": ["tools", "images"],
}
# Members that change requests to the same provider.
USED: dict[str, Any] = {
    "continuation": "none",
    "api_key_header": "api-key",
    "chat_template": "plain",
    "echoes_prefix": True,
    "always_stream": True,
    "thinking": "off",
    "thinking_tags": ["<a>", "</a>"],
    "max_tokens_field": "max_completion_tokens",
    "system_prompt": "Be brief.",
    "sampling": {"temperature": 0.5},
    "limits": {"retries": 0},
    "extra_body": {"top_k": 3},
    "circuit": {"failures": 1, "silence_s": 1},
    "refuses": ["seed"],
    "reasoning_efforts": ["low"],
}
# Members that make it another provider, of which nothing is known.
PROVIDER: dict[str, Any] = {
    "base_url": "http://other/v1",
    "model": "small",
    "api_key_env": "SOME_KEY",
    "api_key_file": "some.key",
    "circuit": {"failures": 1, "cooldown_s": 1},
}
# Members of another provider API.
REPLAYED: dict[str, Any] = {"provider": "replay", "base_url": "", "recording": "some.jsonl", "pace": True}


class Silent:
    """A provider that is never called."""

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        raise NotImplementedError

    def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def make_engine(
    entry: CandidateEntry, on_circuit: Callable[[State], None], provider_state: ProviderState | None
) -> Engine:
    known = provider_state or ProviderState.new(entry, on_circuit)
    return Engine(entry, Silent(), known, NoOpTracer(), CallMetrics(NoOpMeter("test")))


def pool(**members: Any) -> Pool:
    return Pool({"fast": CandidateEntry.model_validate(ENTRY | members)})


def failing() -> LiveEngine:
    """Returns the candidate with an open circuit."""
    live = LiveEngine("fast", pool(), make_engine)
    circuit = live.engine.provider_state.circuit
    circuit.record(circuit.admit(), False)
    assert not live.serving
    return live


def test_every_member_of_an_entry_is_known_here() -> None:
    assert {"name", *REPORTED, *USED, *PROVIDER, *REPLAYED} == set(CandidateEntry.model_fields)


@pytest.mark.parametrize("member", REPORTED)
async def test_a_change_of_a_reported_member_makes_no_new_engine_and_closes_no_circuit(member: str) -> None:
    live = failing()
    engine = live.engine
    changed = pool(**{member: REPORTED[member]})
    live.apply(changed)
    assert live.engine is engine
    assert not live.serving
    entry = changed.entries["fast"]
    assert engine.describe() == entry.to_proto(entry.address or "")
    await live.finish()


@pytest.mark.parametrize("member", USED)
async def test_a_change_of_requests_makes_a_new_engine_that_knows_the_provider(member: str) -> None:
    live = failing()
    engine = live.engine
    live.apply(pool(**{member: USED[member]}))
    assert live.engine is not engine
    assert live.engine.provider_state is engine.provider_state
    assert not live.serving
    await live.finish()


@pytest.mark.parametrize("members", [*({name: value} for name, value in PROVIDER.items()), REPLAYED], ids=str)
async def test_another_provider_is_not_blamed_for_the_last_one(members: dict[str, Any]) -> None:
    live = failing()
    live.apply(pool(**members))
    assert live.serving
    await live.finish()


async def test_an_equal_entry_changes_nothing() -> None:
    live = failing()
    engine = live.engine
    live.apply(pool())
    assert live.engine is engine
    await live.finish()
