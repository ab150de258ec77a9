"""A provider behind every candidate fails for a moment: callers are answered as soon as it is back, nobody is held."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_ADMITTED
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_LAST_RESORT
from lightrouter.v1.router_pb2 import ListCandidatesRequest
from tests.suite.rig import Suite, entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

GOOD = "The capital of France is Paris, on the Seine."
SETTINGS = {"aggregator": "best", "boot_tokens": 12, "boot_grace_seconds": 600.0, "drift_run_length": 10}
# Once open, a circuit lets no call pass for half a minute.
FRAGILE = {"limits": {"retries": 0}, "circuit": {"failures": 3, "cooldown_s": 600.0}}


async def answer(suite: Suite, *, streaming: bool) -> list[str]:
    """Returns the candidates that were asked as a last resort."""
    found = (await suite.stream(prompt()))[-1].answer if streaming else await suite.complete(prompt())
    assert found.candidates
    return [each.candidate for each in found.degraded if each.reason == DEGRADED_REASON_LAST_RESORT]


@pytest.mark.parametrize(("broken", "streaming"), [(behaviours.status(500), False), (behaviours.reset, True)])
async def test_a_blip_of_all_is_over_when_it_is_over(folder: Path, broken: Behaviour, streaming: bool) -> None:
    now = behaviours.model(GOOD)

    async def shared(exchange: Exchange) -> None:
        await now(exchange)

    async with Upstream(shared) as upstream:
        entries = [entry(name, upstream.base_url, **FRAGILE) for name in "abcd"]
        async with running(folder, *entries, router=SETTINGS) as suite:
            for _ in range(40):
                await answer(suite, streaming=False)
            now = broken
            for _ in range(5):
                with pytest.raises(grpc.aio.AioRpcError):
                    await answer(suite, streaming=streaming)
            now = behaviours.model(GOOD)
            assert await answer(suite, streaming=streaming)
            for _ in range(20):
                await answer(suite, streaming=streaming)
            listed = await suite.stub.ListCandidates(ListCandidatesRequest(), timeout=600)
            assert [each.traffic.drift for each in listed.candidates] == [""] * 4
            assert {each.candidate.state for each in listed.candidates} == {CANDIDATE_STATE_ADMITTED}
