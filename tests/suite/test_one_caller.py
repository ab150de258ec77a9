"""Refused, abandoned and odd requests of one caller do not change how candidates serve the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc

from lightrouter.v1.candidate_pb2 import CANDIDATE_HEALTH_SERVING, CANDIDATE_STATE_ADMITTED
from lightrouter.v1.chat_pb2 import Sampling
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import CompleteRequest, ListCandidatesRequest, Prompt
from tests.suite.rig import Suite, entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

GOOD = "The capital of France is Paris, on the Seine."
ODD = "Something odd."
SETTINGS = {"aggregator": "best", "boot_tokens": 12, "boot_grace_seconds": 600.0, "drift_run_length": 10}
FRAGILE = {"limits": {"retries": 0}, "circuit": {"failures": 3, "cooldown_s": 600.0}}
# Enough that a failure in each would open the circuit, and be drift.
MANY = 8


class Switch:
    """A behaviour that becomes another one while the upstream runs."""

    behaviour: Behaviour

    async def __call__(self, exchange: Exchange) -> None:
        await self.behaviour(exchange)


def odd_one(behaviour: Behaviour) -> Behaviour:
    """Is a good model, but for one caller's requests."""
    good = behaviours.model(GOOD)

    async def behave(exchange: Exchange) -> None:
        odd = ODD in str(exchange.request.body)
        await (behaviour if odd else good)(exchange)

    return behave


@asynccontextmanager
async def usual(folder: Path, behaviour: Behaviour) -> AsyncIterator[Suite]:
    """Runs three candidates with a history, of which `c` meets one caller's requests with `behaviour`."""
    async with (
        Upstream(behaviours.model(GOOD)) as a,
        Upstream(behaviours.model(GOOD)) as b,
        Upstream(odd_one(behaviour)) as c,
        running(
            folder,
            entry("a", a.base_url, **FRAGILE),
            entry("b", b.base_url, **FRAGILE),
            entry("c", c.base_url, prior=0.9, **FRAGILE),
            router=SETTINGS,
        ) as suite,
    ):
        for _ in range(3):
            await asyncio.gather(*(suite.complete(prompt()) for _ in range(12)))
        yield suite


async def unharmed(suite: Suite, why: str = "") -> None:
    """Checks that `c` answers others as before."""
    listed = await suite.stub.ListCandidates(ListCandidatesRequest(), timeout=600)
    status = next(each for each in listed.candidates if each.candidate.name == "c")
    assert status.traffic.drift == "", why
    assert status.candidate.state == CANDIDATE_STATE_ADMITTED
    assert status.health == CANDIDATE_HEALTH_SERVING, why
    answer = await suite.complete(prompt(Policy(candidates=["c"])))
    assert answer.text == GOOD


REFUSALS: Mapping[str, Behaviour] = {
    "a parameter": behaviours.status(400, "temperature: must be at most 1"),
    "the length": behaviours.status(400, "This model's maximum context length is 4096 tokens"),
    "the filter": behaviours.status(400, "The response was filtered: content management policy"),
    "the size": behaviours.status(413, "Request too large"),
    "what it means": behaviours.status(422, "unprocessable"),
    "the law": behaviours.status(451, "unavailable for legal reasons"),
    "the moderation": behaviours.status(403, "Your request was flagged by the moderation"),
    "all is withheld": behaviours.reply("", "content_filter"),
    "the rest is withheld": behaviours.reply("The", "content_filter"),
}


async def test_a_provider_s_refusal_of_one_caller_harms_no_other(folder: Path) -> None:
    refusal = Switch()
    async with usual(folder, refusal) as suite:
        for why, refusal.behaviour in REFUSALS.items():
            for _ in range(MANY):
                await suite.complete(prompt(text=ODD))
            await unharmed(suite, why)


async def test_an_end_of_one_caller_s_texts_harms_no_other(folder: Path) -> None:
    """Two candidates begin otherwise, and have something to say before the text that ends it."""
    async with usual(folder, behaviours.reply("")) as suite:
        for _ in range(MANY):
            await suite.complete(Prompt(messages=prompt(text=ODD).messages, sampling=Sampling(stop=["Well"])))
        await unharmed(suite)


async def test_a_candidate_that_is_always_empty_drifts(folder: Path) -> None:
    async with usual(folder, behaviours.reply("")) as suite:
        for _ in range(MANY):
            await suite.complete(prompt(text=ODD))
        listed = await suite.stub.ListCandidates(ListCandidatesRequest(), timeout=600)
        assert "calls failed" in next(each for each in listed.candidates if each.candidate.name == "c").traffic.drift


async def test_a_deadline_that_is_too_short(folder: Path) -> None:
    """The candidate would have answered a little later, alone as well as beside others."""
    async with usual(folder, behaviours.hang) as suite:
        for policy in (Policy(candidates=["c"]), Policy(quorum=1.0)):
            for _ in range(MANY):
                with suppress(grpc.aio.AioRpcError):
                    await suite.complete(prompt(policy, ODD), 0.05)
            await unharmed(suite)


async def test_a_call_that_is_given_up(folder: Path) -> None:
    heard = asyncio.Event()

    async def hang(exchange: Exchange) -> None:
        heard.set()
        await behaviours.hang(exchange)

    async with usual(folder, hang) as suite:
        for _ in range(MANY):
            heard.clear()
            request = CompleteRequest(prompt=prompt(Policy(candidates=["c"]), ODD))
            call = suite.stub.Complete(request, timeout=600)
            await heard.wait()
            call.cancel()
        await unharmed(suite)
