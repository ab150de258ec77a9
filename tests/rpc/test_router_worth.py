"""Worth and quotes over real channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby

import grpc
import pytest

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_SHORTLIST_FAILED, STAGE_BOOT, STAGE_COMPLETE
from lightrouter.v1.policy_pb2 import HOLD_NEVER, SELECTOR_STRATEGY_LEARNED, SELECTOR_STRATEGY_LLM
from lightrouter.v1.router_pb2 import SELECTION_REASON_WORTH, Prompt, QuoteRequest, QuoteResponse
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import prompt

ASKING = {"a": (0.6, 0.0, 10), "b": (0.5, 0.1, 10), "c": (0.4, 0.01, 60)}


@pytest.fixture
async def suite() -> AsyncIterator[RouterSuite]:
    async with RouterSuite() as running:
        running.selector.asking = ASKING
        yield running


async def quoted(suite: RouterSuite, asked: Prompt) -> QuoteResponse:
    try:
        return await suite.stub.Quote(QuoteRequest(prompt=asked))
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


async def test_candidates_worth_their_cost_are_asked_without_a_boot(suite: RouterSuite) -> None:
    answer = (await suite.complete(prompt(worth_nanousd=1000, hold=HOLD_NEVER))).answer
    assert suite.models.asked(STAGE_COMPLETE) == ["a", "b"]
    assert not suite.models.asked(STAGE_BOOT)
    assert answer.selection.reason == SELECTION_REASON_WORTH
    assert answer.selection.further.candidate == "c"


async def test_a_stream_has_the_first_answer_as_it_comes_and_every_decision(suite: RouterSuite) -> None:
    events = await suite.stream(prompt(worth_nanousd=1000))
    # However many pieces a text comes in.
    kinds = [kind for kind, _ in groupby(event.WhichOneof("event") for event in events)]
    assert kinds == ["started", "chunk", "draft", "selection", "draft", "selection", "answer"]
    assert list(events[0].started.candidates) == ["a"]
    assert events[0].started.policy.worth_nanousd == 1000
    assert events[0].started.policy.selector == SELECTOR_STRATEGY_LEARNED
    chosen = [list(event.selection.chosen) for event in events if event.HasField("selection")]
    assert chosen == [["a", "b"], ["a", "b"]]


async def test_a_quote_spends_nothing(suite: RouterSuite) -> None:
    quote = await quoted(suite, prompt(worth_nanousd=1000))
    assert [each.candidate for each in (*quote.first, *quote.others)] == ["a", "b", "c"]
    assert quote.expected_cost_nanousd == 10
    assert not suite.models.calls
    assert not (await quoted(suite, prompt())).policy.HasField("worth_nanousd")


REFUSED = [
    (prompt(worth_nanousd=-1), "prompt.policy.worth_nanousd"),
    (prompt(worth_nanousd=1, selector=SELECTOR_STRATEGY_LLM), "prompt.policy"),
    (prompt(worth_nanousd=1, candidates=["nobody"]), "prompt.policy.candidates"),
    (prompt(worth_nanousd=1, k=65), "prompt.policy.k"),
]


@pytest.mark.parametrize(("asked", "field"), REFUSED)
async def test_a_quote_and_an_answer_are_refused_alike(suite: RouterSuite, asked: Prompt, field: str) -> None:
    for call in (quoted, lambda suite, asked: suite.complete(asked)):
        with pytest.raises(ServiceError) as caught:
            await call(suite, asked)
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert [violation.field for violation in caught.value.violations] == [field]
    assert not suite.models.calls


async def test_another_strategy_is_refused_in_a_sentence(suite: RouterSuite) -> None:
    with pytest.raises(ServiceError) as caught:
        await suite.complete(prompt(worth_nanousd=1, selector=SELECTOR_STRATEGY_LLM))
    assert "worth_nanousd needs selector LEARNED, or none" in caught.value.violations[0].message


async def test_quote_and_answer_use_the_prior_without_a_selector() -> None:
    async with RouterSuite(down=["selector"]) as suite:
        quote = await quoted(suite, prompt(worth_nanousd=10**9))
        assert [each.reason for each in quote.degraded] == [DEGRADED_REASON_SHORTLIST_FAILED]
        answer = (await suite.complete(prompt(worth_nanousd=10**9))).answer
        assert suite.models.asked(STAGE_COMPLETE) == [quote.first[0].candidate]
        assert answer.text


async def test_an_untouched_router_asks_outright_if_the_selector_knows_gains() -> None:
    async with RouterSuite() as suite:
        suite.selector.asking = ASKING
        # This suite's router has settings of the boot stage, as an operator may give them.
        await suite.complete(prompt())
        assert len(suite.models.asked(STAGE_BOOT)) == 3
    async with RouterSuite(worth=0.001) as suite:
        suite.selector.asking = ASKING
        await suite.complete(prompt())
        assert suite.models.asked(STAGE_COMPLETE) == ["a", "b", "c"]
