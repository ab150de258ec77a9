"""A checkpoint loses and doubles nothing, and cuts as a limit would: properties over engine and parser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lightrouter.adapter.engine import Engine
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.faults import UpstreamError, doubtful
from lightrouter.adapter.quirks import Quirks
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined
from lightrouter.adapter.text.cut import Cut
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import FinishReason, ToolCallDelta
from tests.held import Held, read
from tests.unit.adapter.test_going_on import DEADLINE, LENGTH, MODES, WRITTEN, FakeModel, asked, engine, repeated

TOKENS = st.lists(
    st.text(st.sampled_from("ab 汉😀") | st.characters(), min_size=1, max_size=6), min_size=1, max_size=20
)
CUTS = st.lists(st.integers(0, 1000), min_size=1, max_size=20)


async def hold(made: Engine, generation: Generation, tokens: int = 0, *, joined: bool = False) -> Held:
    return await read(made.stream(generation, DEADLINE, tokens, joined=joined))


def made(whole: str, cuts: list[int], *, replacing: bool = False, least: int = 0, **members: object) -> Engine:
    """Returns an engine over a model that writes `whole`; the provider takes no limit below `least`."""
    built = engine(FakeModel(whole, repeated(cuts), replacing=replacing), limits={"retries": 0}, **members)
    built.provider_state.learned.quirks = Quirks(least_tokens=least)
    return built


@settings(max_examples=300)
@given(whole=WRITTEN, tokens=st.integers(1, 60), cuts=CUTS, replacing=st.booleans(), joined=st.booleans())
def test_a_checkpoint_is_where_a_limit_cuts(
    whole: str, tokens: int, cuts: list[int], replacing: bool, joined: bool
) -> None:
    async def run() -> None:
        held = await hold(made(whole, cuts, replacing=replacing), asked(None), tokens, joined=joined)
        free = await hold(made(whole, cuts, replacing=replacing), asked(None))
        limited = await hold(made(whole, cuts, replacing=replacing, least=10**6), asked(tokens))
        assert held.output == free.output
        assert held.result.finish_reason == free.result.finish_reason
        cut = limited.result.finish_reason == LENGTH
        assert (held.checkpoint is not None) == cut
        if held.checkpoint is None:
            return
        assert held.booted == limited.output
        assert held.checkpoint.finish_reason == LENGTH
        assert held.checkpoint.usage.output_tokens == tokens
        assert held.checkpoint.usage.estimated
        assert held.checkpoint.usage.reasoning_tokens <= tokens

    asyncio.run(run())


async def shown(call: Awaitable[Held]) -> Held:
    """Returns what a call gave; leaves out texts of which a few marks are left, which no provider can show to go on."""
    try:
        return await call
    except UpstreamError as error:
        if str(error) != str(doubtful()):
            raise
        reject()


@settings(max_examples=200)
@given(
    whole=WRITTEN,
    first=st.integers(1, 60),
    tokens=st.integers(1, 60),
    cuts=CUTS,
    mode=st.sampled_from(MODES),
    echoes=st.booleans(),
    joined=st.booleans(),
)
def test_a_call_that_goes_on_can_be_held_and_gone_on_from(
    whole: str, first: int, tokens: int, cuts: list[int], mode: str, echoes: bool, joined: bool
) -> None:
    async def run() -> None:
        model = FakeModel(whole, repeated(cuts), replacing=False)
        model.echoes = echoes and mode != "raw"
        built = engine(model, continuation=mode, echoes_prefix=model.echoes, limits={"retries": 0})
        free = await hold(built, asked(None))
        boot = await hold(built, asked(first))
        if boot.result.finish_reason != LENGTH:
            return
        text, reasoning = boot.output
        held = await shown(hold(built, asked(None, text, boot.result.continuation), tokens, joined=joined))
        anew = held.before.restarted or held.after.restarted
        head = ("", "") if anew else (text, reasoning)
        assert (head[0] + held.output[0], head[1] + held.output[1]) == free.output
        if held.checkpoint is None:
            return
        begun = text, reasoning
        if any(held.booted):
            begun = head[0] + held.before.text, head[1] + held.before.reasoning
        last = await shown(hold(built, asked(None, begun[0], held.checkpoint.continuation)))
        begun = ("", "") if last.before.restarted else begun
        assert (begun[0] + last.output[0], begun[1] + last.output[1]) == free.output

    asyncio.run(run())


@pytest.mark.parametrize("joined", [False, True])
async def test_text_before_a_checkpoint_comes_with_it_if_the_caller_reads_it(joined: bool) -> None:
    events = made("one two three four", [1]).stream(asked(None), DEADLINE, 2, unwatched=True, joined=joined)
    kinds = [(event.WhichOneof("event"), event.HasField("piece")) async for event in events]
    apart = [("chunk", False), ("checkpoint", False), ("chunk", False), ("result", False)]
    assert kinds == ([("checkpoint", True), ("result", True)] if joined else apart)


def dealt(tokens: list[str], sizes: Iterator[int], info: ReplyInfo) -> Iterator[TextDelta]:
    """Yields the tokens in deltas of several; the finish reason comes alone, behind the last."""
    while tokens:
        size = 1 + next(sizes) % 4
        info.texts += len(tokens[:size])
        yield TextDelta("".join(tokens[:size]), "")
        tokens = tokens[size:]
    info.finish_reason = FinishReason.FINISH_REASON_STOP
    yield TextDelta("", "")


@given(TOKENS, st.integers(1, 25), st.integers(1, 25), CUTS)
def test_both_parts_together_are_within_the_limit(
    tokens: list[str], checkpoint: int, more: int, cuts: list[int]
) -> None:
    most = checkpoint + more
    parts: dict[int, list[tuple[TextDelta, ...]]] = {}
    for mark in (0, checkpoint):
        info = ReplyInfo()
        cut = Cut(most, (), mark)
        parts[mark] = [cut.parts(delta, info) for delta in dealt(tokens, repeated(cuts), info)]
    together = ["".join(part.text for part in some) for some in parts[checkpoint]]
    assert together == ["".join(part.text for part in some) for some in parts[0]]
    assert sum(len(some) == 2 for some in parts[checkpoint]) <= 1


EVENTS = st.lists(
    st.builds(
        TextDelta,
        st.sampled_from(["", "a", " word", "two words, and more of them", "汉字"]),
        st.sampled_from(["", "", "hm", " because it is so"]),
        st.sampled_from([(), (ToolCallDelta(index=0, arguments="{}"),)]),
    ),
    max_size=12,
)


@settings(max_examples=300)
@given(EVENTS, st.one_of(st.none(), st.integers(1, 25)), st.integers(0, 25), CUTS, st.booleans())
def test_events_that_are_counted_and_then_joined_are_cut_as_each_by_itself(
    events: list[TextDelta], most: int | None, checkpoint: int, cuts: list[int], stops: bool
) -> None:
    def run(sizes: Iterator[int], *, joins: bool) -> tuple[list[TextDelta], int, FinishReason.ValueType]:
        """Returns what comes before and after the checkpoint, with all counts."""
        info, cut, found, taken = ReplyInfo(), Cut(most, (), checkpoint), [TextDelta("", "")], list[TextDelta]()
        size = next(sizes)
        for number, event in enumerate(events, 1):
            info.texts += event != NOTHING
            if stops and number == len(events):
                info.finish_reason = FinishReason.FINISH_REASON_STOP
            taken.append(event)
            passes = joins and cut.ahead and cut.count(event, info)
            if joins and cut.ahead and not passes and len(taken) <= size % 5 and number < len(events):
                continue
            first, *rest = cut.parts(joined(taken), info)
            found[-1] = joined([found[-1], first])
            found += rest
            taken, size = [], next(sizes)
            if cut.reached:
                break
        return found, cut.tokens, cut.reached

    apart, together = run(repeated([0]), joins=False), run(repeated(cuts), joins=True)
    assert together == apart


def test_events_of_many_tokens_are_counted_by_their_text() -> None:
    """Also late in a stream: the first events of a provider that joins tokens may be short."""
    info, cut = ReplyInfo(), Cut(None, (), 10**6)
    texts = ["The", *[" word" * 20] * 20]
    for text in texts:
        info.texts += 1
        cut.parts(TextDelta(text, ""), info)
    assert cut.tokens == 1 + 20 * 20


def test_a_long_token_among_short_ones_is_one() -> None:
    info, cut = ReplyInfo(), Cut(None, (), 10**6)
    texts = ["The", " word", " is", " internationalization", " \U0001f468\u200d\U0001f469\u200d\U0001f467", "."]
    for text in texts:
        info.texts += 1
        cut.parts(TextDelta(text, ""), info)
    assert cut.tokens == len(texts)
