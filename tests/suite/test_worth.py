"""Worth over the whole suite: an untouched router, and a selector with an artifact that has learned gains."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.learned.artifact import Artifact, save
from lightrouter.learned.gain import NAMES, Gains
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree
from lightrouter.learned.words import hashed_words
from lightrouter.selector.artifacts import ArtifactFolder
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_GAINS_UNKNOWN, NOT_ASKED_REASON_WORTH, STAGE_BOOT, STAGE_COMPLETE
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LEARNED, Policy
from lightrouter.v1.router_pb2 import SELECTION_REASON_WORTH, Answer, QuoteRequest
from tests.suite.rig import entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

QUESTION = "Which of these is prime?\nA. 8\nB. 13\nC. 15\nD. 21\n"
# A further answer adds .1: that of `other` is not worth its price at a cent.
PRICES = {"good": {"input": 10, "output": 50}, "bad": {"input": 1, "output": 2}, "other": {"input": 40, "output": 100}}


def artifact(folder: Path) -> Path:
    """Writes an artifact that knows all three: `good` is right on three prompts of four, the others on one."""
    models = [f"model-of-{name}" for name in PRICES]
    examples = [
        Example(hashed_words(f"prompt w{number}"), [float(number % 4 > 0), *[float(number % 4 == 0)] * 2], [40] * 3)
        for number in range(100)
    ]
    first = Tree([NAMES.index("expected"), -1, -1], [0.5, 0.25, 0.75], [1, 0, 0], [2, 0, 0])
    gains = Gains(first=[first], later=[Tree([-1], [0.1], [0], [0])])
    trained = Model(Priors(models, examples), [Tree([-1], [0.0], [0], [0])], 0.5, gains=gains)
    save(Artifact(trained, "0" * 64, {}, {}), folder / "artifact")
    return folder / "artifact"


async def says(exchange: Exchange) -> None:
    await behaviours.model(f"The answer is B, says {exchange.request.body['model']}.")(exchange)


async def asked(folder: Path, policy: Policy | None = None, names: tuple[str, ...] = tuple(PRICES)) -> Answer:
    model = ArtifactFolder(artifact(folder)).model
    async with Upstream(says) as upstream:
        entries = [entry(name, upstream.base_url, prices=PRICES.get(name, {"input": 1})) for name in names]
        async with running(folder, *entries, model=model) as suite:
            asking = prompt(policy, QUESTION)
            before = len(upstream.requests)
            quote = await suite.stub.Quote(QuoteRequest(prompt=asking), timeout=600)
            assert len(upstream.requests) == before
            answer = await suite.complete(asking)
            assert answer.ledger.cost_nanousd <= quote.worst_cost_nanousd
            asked_first = [each.candidate for each in quote.first]
            if quote.HasField("expected_cost_nanousd"):
                assert asked_first[0] == answer.ledger.entries[0].candidate
            return answer


@pytest.mark.parametrize(
    ("worth", "calls"),
    # .5 more quality of `good` costs some $.001; a further answer adds .1.
    [(0, ["bad"]), (1_000_000, ["bad"]), (8_000_000, ["good", "bad"]), (1_000_000_000, ["good", "bad", "other"])],
)
async def test_the_curve_from_the_cheapest_to_all(tmp_path: Path, worth: int, calls: list[str]) -> None:
    answer = await asked(tmp_path, Policy(worth_nanousd=worth))
    assert [entry.candidate for entry in answer.ledger.entries] == calls
    assert {entry.stage for entry in answer.ledger.entries} == {STAGE_COMPLETE}
    assert not answer.degraded


async def test_an_untouched_router_knows_what_a_right_answer_is_worth(tmp_path: Path) -> None:
    answer = await asked(tmp_path)
    selection = answer.selection
    assert selection.strategy == SELECTOR_STRATEGY_LEARNED
    assert selection.reason == SELECTION_REASON_WORTH
    assert answer.ledger.entries[0].candidate == "good"
    assert selection.instead.candidate
    assert {each.reason for each in answer.ledger.not_asked} <= {NOT_ASKED_REASON_WORTH}
    # What was expected is near what was booked: this provider counts words, and the record characters.
    assert 0.3 < answer.ledger.cost_nanousd / selection.expected_cost_nanousd < 3


async def test_a_pool_of_strangers_boots_and_says_so_only_if_asked(tmp_path: Path) -> None:
    strangers = ("one", "two", "good")
    answer = await asked(tmp_path, names=strangers)
    assert {entry.candidate for entry in answer.ledger.entries if entry.stage == STAGE_BOOT} == set(strangers)
    assert not answer.degraded
    explicit = await asked(tmp_path, Policy(worth_nanousd=10_000_000), names=strangers)
    assert [each.reason for each in explicit.degraded] == [DEGRADED_REASON_GAINS_UNKNOWN]
