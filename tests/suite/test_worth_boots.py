"""Boots that worth decides, over real channels and HTTP: the artifact knows that a beginning tells who is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lightrouter.learned.artifact import Artifact, save
from lightrouter.learned.boots import BootShare
from lightrouter.learned.features import NAMES
from lightrouter.learned.gain import Gains
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree
from lightrouter.learned.words import hashed_words
from lightrouter.selector.artifacts import ArtifactFolder
from lightrouter.v1.candidate_pb2 import ACTION_ASK, ACTION_BOOT
from lightrouter.v1.ledger_pb2 import COST_BASIS_ESTIMATED, COST_BASIS_REPORTED, STAGE_BOOT, STAGE_COMPLETE
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import SELECTION_REASON_WORTH, QuoteRequest
from tests.suite.rig import entry, prompt, running
from tests.suite.test_hold import written
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

QUESTION = "Which of these is prime?\nA. 8\nB. 13\nC. 15\nD. 21\n"
# A character a token. The first candidate hedges at once.
UNSURE = "Perhaps, maybe, or perhaps not: it might be A, but it may well be another one."
SURE = "13 has no divisor but itself and one, and so the answer is (B), which is prime."
BOOT = 20
NAMED = ("unsure", "sure")


def artifact(folder: Path, share: float) -> Path:
    """Writes an artifact in which both are right on half of the prompts, and who hedges is wrong."""
    examples = [
        Example(hashed_words(f"prompt w{number}"), [float(number % 2), float(number % 4 > 1)], [4000, 4000])
        for number in range(100)
    ]
    hedging = Tree([NAMES.index("hedges"), -1, -1], [0.5, 2.0, -2.0], [1, 0, 0], [2, 0, 0])
    nothing = [Tree([-1], [0.0], [0], [0])]
    trained = Model(
        Priors([f"model-of-{name}" for name in NAMED], examples),
        [hedging],
        0.5,
        gains=Gains(nothing, nothing, first_share=0.0, further_cost=nothing, further_gain=nothing),
        boots=[BootShare(options=True, candidates=2, tokens=BOOT, share=share)],
    )
    save(Artifact(trained, "0" * 64, {}, {}), folder / "artifact")
    return folder / "artifact"


@pytest.mark.parametrize("watched", [False, True])
async def test_the_one_that_began_best_finishes_and_the_other_ends(folder: Path, watched: bool) -> None:
    left = asyncio.Event()

    async def loses(exchange: Exchange) -> None:
        await behaviours.hang_mid_stream(*UNSURE[: BOOT + 2])(exchange)
        left.set()

    model = ArtifactFolder(artifact(folder, share=0.8)).model
    # The winner writes on only once the loser's connection is closed.
    async with Upstream(loses) as first, Upstream(written(SURE, BOOT + 3, left)) as second:
        entries = [
            entry(name, upstream.base_url, limits={"retries": 0})
            for name, upstream in zip(NAMED, (first, second), strict=True)
        ]
        async with running(folder, *entries, model=model) as suite:
            asked = prompt(Policy(worth_nanousd=10**9), QUESTION)
            quote = await suite.stub.Quote(QuoteRequest(prompt=asked), timeout=600)
            assert not first.requests
            if watched:
                events = await suite.stream(asked)
                answer = events[-1].answer
                assert "".join(event.chunk.text for event in events if event.HasField("chunk")) == SURE
            else:
                answer = await suite.complete(asked)
                assert answer.text == SURE
        assert (len(first.requests), len(second.requests)) == (1, 1)
    assert [each.candidate for each in quote.first] == list(NAMED)
    assert {each.actions[0].action for each in quote.first} == {ACTION_BOOT}
    assert quote.expected_quality == pytest.approx(0.5 + 0.8 * 0.25)
    assert answer.selection.reason == SELECTION_REASON_WORTH
    assert answer.selection.expected_cost_nanousd == quote.expected_cost_nanousd
    assert answer.ledger.cost_nanousd <= quote.worst_cost_nanousd
    lines = {line.candidate: line for line in answer.ledger.entries}
    assert {line.stage for line in answer.ledger.entries} == {STAGE_BOOT}
    assert len(answer.ledger.entries) == 2
    won, lost = lines["sure"], lines["unsure"]
    assert (won.went_on, won.cost_basis, won.usage.output_tokens) == (True, COST_BASIS_REPORTED, len(SURE))
    assert (lost.went_on, lost.cost_basis) == (False, COST_BASIS_ESTIMATED)
    assert lost.usage.output_tokens >= BOOT
    assert lost.cost_nanousd
    assert answer.ledger.cost_nanousd == won.cost_nanousd + lost.cost_nanousd
    assert not answer.degraded


async def test_without_a_learned_rise_one_is_asked_outright(folder: Path) -> None:
    model = ArtifactFolder(artifact(folder, share=0.0)).model
    async with Upstream(behaviours.model(SURE)) as upstream:
        entries = [entry(name, upstream.base_url) for name in NAMED]
        async with running(folder, *entries, model=model) as suite:
            asked = prompt(Policy(worth_nanousd=10**9), QUESTION)
            quote = await suite.stub.Quote(QuoteRequest(prompt=asked), timeout=600)
            answer = await suite.complete(asked)
    assert quote.first[0].actions[0].action == ACTION_ASK
    assert {line.stage for line in answer.ledger.entries} == {STAGE_COMPLETE}
