"""What only Anthropic's API has: a cache with places that the request marks, and its prices; stricter texts."""

from __future__ import annotations

from typing import Any

import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import ChatMessage, Media, OutputSpec, Part, Role, Tool
from lightrouter.v1.ledger_pb2 import Stage
from tests.rpc.adapter_support import adapter, answered, generation
from tests.upstreams.dialects import AnthropicDialect, Counts, Said
from tests.upstreams.upstream import Upstream

DIALECT = AnthropicDialect()
PRICES = {"input": "2", "cached_input": "0.2", "cache_write": "2.5", "output": "10"}
TIERS = [{"above": 200_000, "input": "4", "cached_input": "0.4", "cache_write": "5", "output": "15"}]
EARLIER = [
    ChatMessage(role=Role.ROLE_USER, content="Hi"),
    ChatMessage(role=Role.ROLE_ASSISTANT, content="Yes?"),
    ChatMessage(role=Role.ROLE_USER, content="Why?"),
]


async def sent(asked: Generation, tokens: int = 0, **members: Any) -> dict[str, Any]:
    """Returns the body of the request, with a checkpoint after `tokens`."""
    async with (
        Upstream(DIALECT.reply(Said())) as upstream,
        adapter(upstream.base_url, provider="anthropic", **members) as served,
    ):
        async for _ in served.hold(asked, tokens):
            pass
    return upstream.requests[0].body


@pytest.mark.parametrize(
    ("asked", "tokens", "cached"),
    [
        (generation(), 0, False),
        (generation(stage=Stage.STAGE_BOOT), 0, True),
        # A held call reads its prompt once.
        (generation(stage=Stage.STAGE_BOOT), 5, False),
        (generation(stage=Stage.STAGE_COMPLETE, prefix="Because"), 0, True),
        (Generation(messages=EARLIER), 0, True),
    ],
    ids=["asked once", "booted", "held", "continued", "a conversation"],
)
async def test_a_conversation_that_is_read_again_gets_a_place_in_the_cache(
    asked: Generation, tokens: int, cached: bool
) -> None:
    body = await sent(asked, tokens)
    users = [message for message in body["messages"] if message["role"] == "user"]
    blocks = [block for message in body["messages"] for block in message["content"]]
    assert ("cache_control" in users[-1]["content"][-1]) is cached
    assert sum("cache_control" in block for block in blocks) == cached


async def test_instructions_and_tools_always_get_one() -> None:
    output = OutputSpec(tools=[Tool(name="find"), Tool(name="stop")])
    body = await sent(generation(output=output), system_prompt="Be kind.")
    assert body["system"] == [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    assert ["cache_control" in tool for tool in body["tools"]] == [False, True]


@pytest.mark.parametrize(
    ("read_tokens", "cost"),
    [
        (1000, 200 * 2_000 + 500 * 200 + 300 * 2_500 + 50 * 10_000),
        (200_000, 199_200 * 2_000 + 500 * 200 + 300 * 2_500 + 50 * 10_000),
        (200_001, 199_201 * 4_000 + 500 * 400 + 300 * 5_000 + 50 * 15_000),
    ],
)
async def test_reads_and_writes_of_the_cache_cost_what_they_cost(read_tokens: int, cost: int) -> None:
    said = Said(counts=Counts(read=read_tokens, cached=500, stored=300, written=50))
    asked = generation("word " * 60_000)
    answer = await answered(DIALECT.reply(said), asked, provider="anthropic", prices={**PRICES, "tiers": TIERS})
    used = answer.result.usage
    assert (used.input_tokens, used.cached_input_tokens, used.cache_write_tokens) == (read_tokens, 500, 300)
    assert (answer.result.cost_nanousd, used.estimated) == (cost, False)


@pytest.mark.parametrize("blanks", ["", " ", "\n\n", " \n"])
@pytest.mark.parametrize("again", [False, True])
async def test_white_space_at_the_end_of_a_prefill_comes_once(blanks: str, again: bool) -> None:
    rest = (blanks if again else "") + "is scattered most."
    async with (
        Upstream(DIALECT.reply(Said(tuple(rest)))) as upstream,
        adapter(upstream.base_url, provider="anthropic", abilities=["prefill"]) as served,
    ):
        answer = await served.generate(generation(prefix=f"Blue light{blanks}"))
    assert (f"Blue light{blanks}" + answer.text) == f"Blue light{blanks}is scattered most."
    assert DIALECT.prefill(upstream.requests[0].body) == "Blue light"


async def test_empty_texts_are_not_sent() -> None:
    parts = [Part(text=" "), Part(image=Media(data=b"x", mime_type="image/png"))]
    message = ChatMessage(role=Role.ROLE_USER, content="\n", parts=parts)
    body = await sent(Generation(messages=[message]))
    assert [block["type"] for block in body["messages"][0]["content"]] == ["image"]


async def test_a_limit_is_always_sent_because_the_api_has_none() -> None:
    assert (await sent(generation()))["max_tokens"] == 4096
