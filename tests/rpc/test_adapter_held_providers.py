"""Held calls of every provider API: the checkpoint divides any output without a loss, and each death is told apart."""

from __future__ import annotations

import json
from collections.abc import Sequence

import grpc
import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import FINISH_REASON_TOOL_CALLS, JsonSchema, OutputSpec, Sampling, Tool
from tests.held import Held, read, read_to_checkpoint
from tests.rpc.adapter_support import LONG, STOP, adapter, generation
from tests.rpc.test_adapter_cancel import settled
from tests.rpc.test_adapter_checkpoint import TEXTS
from tests.rpc.test_adapter_hold import read_and_fail
from tests.upstreams.dialects import DIALECTS, Call, Dialect, Said
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

pytestmark = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.provider)

TOOL = Tool(name="weather", description="", parameters='{"type": "object"}')
ARGUMENTS = json.dumps({"place": 'O\'Neil, \\ "Zürich"', "days": [1, 2], "when": "明天 😀"}, ensure_ascii=False)
# Half a character is no text in a message of these APIs.
WHOLE_TEXTS = {kind: pieces for kind, pieces in TEXTS.items() if "halves" not in kind}
OUTPUTS = {
    **{kind: Said(pieces) for kind, pieces in WHOLE_TEXTS.items()},
    "reasoning before the text": Said(("It", " is", " 青", "い", "."), thoughts=("Light", " 散", "乱", ".")),
    "a tool call": Said((), calls=(Call("weather", ARGUMENTS, "c1"),)),
    "text and two tool calls": Said(
        ("I", " look", "."), calls=(Call("weather", ARGUMENTS, "c1"), Call("weather", '{"place": "Rome"}', "c2"))
    ),
}

# The other texts are asked for as plain text.
ASKED_FOR = {"JSON": OutputSpec(json_schema=JsonSchema(name="person", schema='{"type": "object"}'))}


@pytest.mark.parametrize("kind", OUTPUTS)
async def test_a_checkpoint_anywhere_loses_and_doubles_nothing(dialect: Dialect, kind: str) -> None:
    said = OUTPUTS[kind]
    asked = generation(output=ASKED_FOR.get(kind, OutputSpec(tools=[TOOL]) if said.calls else None))
    async with (
        Upstream(dialect.reply(said)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider) as served,
    ):
        free = await read(served.hold(asked, 0))
        assert free.result.finish_reason == (FINISH_REASON_TOOL_CALLS if said.calls else STOP)
        for tokens in range(1, 12):
            held = await read(served.hold(asked, tokens))
            assert held.output == free.output
            assert held.result.finish_reason == free.result.finish_reason
            assert held.result.usage == free.result.usage
            assert [call.arguments for call in held.calls] == [call.arguments for call in free.calls]
            if held.checkpoint is not None:
                assert held.checkpoint.usage.output_tokens == tokens


@pytest.mark.parametrize("kind", WHOLE_TEXTS)
async def test_a_call_that_goes_on_from_a_checkpoint_sends_the_text_before_it(dialect: Dialect, kind: str) -> None:
    said = Said(WHOLE_TEXTS[kind])
    async with (
        Upstream(dialect.reply(said)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider, continuation="trailing") as served,
    ):
        for tokens in range(1, len(said.pieces)):
            held = await read(served.hold(generation(), tokens))
            if held.checkpoint is None or not held.before.text.strip() or held.before.reasoning:
                continue
            on = Generation(
                messages=generation().messages,
                prefix=held.before.text,
                continuation=held.checkpoint.continuation,
            )
            sent = len(upstream.requests)
            await read(served.hold(on, 0))
            begun = dialect.prefill(upstream.requests[sent].body)
            assert held.before.text.startswith(begun.rstrip())


@pytest.mark.parametrize("tokens", range(1, 9))
async def test_a_stop_text_across_a_checkpoint_ends_the_text_before_it(dialect: Dialect, tokens: int) -> None:
    async def behave(exchange: Exchange) -> None:
        refused = dialect.option(exchange.request.body, "stop") is not None
        said = Said(("One", ",", " two", " E", "N", "D", " three", "."))
        await (dialect.refuse(400, "stop sequences are not supported") if refused else dialect.reply(said))(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url, provider=dialect.provider) as served:
        held = await read(served.hold(generation(sampling=Sampling(stop=["END"])), tokens))
    assert held.output == ("One, two ", "")
    assert held.result.finish_reason == STOP


DEATHS: Sequence[tuple[str, tuple[str, ...], bool]] = [
    ("before", ("a ",), False),
    ("at", ("a ", "b ", "c "), True),
    ("after", ("a ", "b ", "c ", "d ", "e "), True),
]


def dying(dialect: Dialect, pieces: Sequence[str], *, resets: bool) -> Behaviour:
    """Sends the pieces; then ends the reply without the end of the text, or `resets` the connection."""
    if not resets:
        return dialect.broken(Said(pieces))

    async def behave(exchange: Exchange) -> None:
        await exchange.begin_events()
        for event in dialect.events(Said(pieces, "")):
            await exchange.chunk(event)
        exchange.reset()

    return behave


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(("pieces", "comes"), [death[1:] for death in DEATHS], ids=[death[0] for death in DEATHS])
async def test_a_winner_that_dies_is_a_failure_and_not_an_answer(
    dialect: Dialect, pieces: tuple[str, ...], comes: bool, resets: bool
) -> None:
    async with (
        Upstream(dying(dialect, pieces, resets=resets)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider, limits={"retries": 0}) as served,
    ):
        held, status = await read_and_fail(served, 3)
    assert status is grpc.StatusCode.UNAVAILABLE
    assert "".join(pieces).startswith(held.output[0])
    assert held.checkpoint is None or comes
    assert held.result.finish_reason != STOP


async def test_a_loser_whose_server_ignores_the_close_is_left_at_once(dialect: Dialect) -> None:
    async with (
        Upstream(dialect.broken(Said(("a ", "b ", "c ", "d ")), hangs=True)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider) as served,
    ):
        call = served.hold(generation(), 2, LONG)
        held: Held = await read_to_checkpoint(call)
        call.cancel()
        await settled(upstream, 1)
        assert held.before.text
        assert served.live.engine.running == 0
