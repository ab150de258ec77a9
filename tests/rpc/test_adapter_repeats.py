"""Replies to a prefill: continued, repeated first, or written anew."""

from __future__ import annotations

import json

import pytest

from tests.held import read
from tests.rpc.adapter_support import STOP, adapter, answered, asked, generation, most
from tests.rpc.test_adapter_learns import goes_on, refuses
from tests.upstreams import behaviours
from tests.upstreams.behaviours import completion, delta
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

LEAD = "The capital of France is Paris. It lies on the river"


@pytest.mark.parametrize("echoes_prefix", [False, True])
@pytest.mark.parametrize("continuation", ["trailing", "prefix", "continue_final_message"])
@pytest.mark.parametrize(
    ("reply", "text", "restarted"),
    [
        (" Seine.", " Seine.", False),
        (f"{LEAD} Seine.", " Seine.", False),
        (f"\n{LEAD} Seine.", " Seine.", False),
        ("Paris is the capital of France.", "Paris is the capital of France.", True),
        ("The capital of France is Lyon.", "The capital of France is Lyon.", True),
    ],
)
async def test_no_text_is_given_twice(
    reply: str, text: str, restarted: bool, continuation: str, echoes_prefix: bool
) -> None:
    members = {"continuation": continuation, "echoes_prefix": echoes_prefix}
    whole = behaviours.raw(json.dumps(completion(reply)).encode())
    pieces = behaviours.stream([*(delta(character) for character in reply), delta(finish="stop")])
    for behaviour in (whole, pieces):
        response = await answered(behaviour, generation(prefix=LEAD), **members)
        assert (response.text, response.restarted) == (text, restarted)
        assert response.result.finish_reason == STOP


async def test_a_text_that_starts_anew_is_said_to_do_so_with_its_first_piece() -> None:
    reply = behaviours.stream([delta("Paris is"), delta(" the capital."), delta(finish="stop")])
    async with Upstream(reply) as upstream, adapter(upstream.base_url) as served:
        events = [event async for event in served.stream(generation(prefix=LEAD))]
    texts = [event.chunk for event in events if event.chunk.text]
    assert texts[0].restarted
    assert sum(event.chunk.restarted for event in events) == 1


async def test_a_text_that_is_repeated_later_is_new() -> None:
    reply = behaviours.stream([delta(", sure: "), delta(LEAD), delta(" Seine."), delta(finish="stop")])
    async with Upstream(reply) as upstream, adapter(upstream.base_url) as served:
        whole = await asked(served, generation(prefix=LEAD), streamed=False)
        assert (whole.restarted, whole.result.finish_reason) == (True, STOP)
        events = [event async for event in served.stream(generation(prefix=LEAD))]
        assert "".join(event.chunk.text for event in events) == whole.text
        assert [event.chunk.restarted for event in events][-2:] == [True, False]
        assert events[-1].result.finish_reason == STOP


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("prompt_tokens", "rest", "restarted"),
    [
        # The provider dropped the prefill, as its counts show.
        (40, "巴黎位于塞纳河畔", True),
        (41, "seine is where it lies", True),
        # It read the prefill.
        (60, "巴黎位于塞纳河畔", False),
        # The text goes on, whatever the counts say.
        (40, " the Seine", False),
        # It read the prefill and began a new turn, or the counts of the two calls do not compare.
        (63, "巴黎位于塞纳河畔", True),
        (4, "巴黎位于塞纳河畔", True),
    ],
)
async def test_a_prefill_that_the_provider_drops_is_known_by_its_counts(
    prompt_tokens: int, rest: str, restarted: bool, streamed: bool
) -> None:
    first = {"prompt_tokens": 40, "completion_tokens": 20}
    later = {"prompt_tokens": prompt_tokens, "completion_tokens": 9}
    boot = "It is one of the largest cities of Europe, and it is on the river"
    async with Upstream(behaviours.reply(boot, "length", first)) as upstream, adapter(upstream.base_url) as served:
        begun = await asked(served, generation(sampling=most(20)), streamed=streamed)
        upstream.then(behaviours.reply(rest, usage=later))
        going_on = generation(prefix=begun.text, continuation=begun.result.continuation)
        for learnt in (False, restarted):
            whole = await asked(served, going_on, streamed=streamed)
            assert (whole.text, whole.restarted, whole.result.finish_reason) == (rest, restarted, STOP)
            sent = upstream.requests[-1].body["messages"]
            asked_anew = restarted and prompt_tokens not in {40, 41}
            assert (sent[-1]["role"] == "user") == (learnt or asked_anew)


UNTOLD = {
    "Chinese": ("巴黎是法国的首都。它位于", "这座城市在塞纳河畔。"),
    "Japanese": ("パリはフランスの首都で、", "その街はセーヌ川沿いにあります。"),
    "Thai": ("ปารีสเป็นเมืองหลวงของฝรั่งเศส ตั้งอยู่", "เมืองนี้อยู่ริมแม่น้ำแซน"),
    "Burmese": ("ပါရီသည် ပြင်သစ်နိုင်ငံ၏ မြို့တော်ဖြစ်သည်", "ဤမြို့သည် စိန်းမြစ်ကမ်းတွင်ရှိသည်"),
    "lower case": (LEAD, "paris it is, and the seine"),
    "another word": (LEAD, "sure: paris."),
    "a number": (LEAD, "2 million people live in Paris"),
    "a list": (LEAD, "- paris\n- seine"),
    "after a sentence": (f"{LEAD} Seine.", "Paris is the capital of France."),
    "after a number": ("The answer is 4", "It is 42."),
    "Cyrillic": ("Париж - столица Франции, он", "город стоит на сене"),
    "Arabic": ("باريس عاصمة فرنسا", "تقع المدينة على نهر السين"),
    "Korean": ("파리는 프랑스의 수도이며", "센강이 흐르는 도시입니다"),
    "white space first": (f"\n\n{LEAD}", "\n\nparis it is"),
    "code": ("```python\ndef get", "def fetch(): ..."),
    "JSON": ('{"city": "Par', '{"capital": "Paris"}'),
    "nothing": (LEAD, ""),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("begun", "anew"), UNTOLD.values(), ids=UNTOLD)
async def test_a_reply_that_may_be_new_is_written_anew(begun: str, anew: str, streamed: bool) -> None:
    """Nobody has seen the provider continue a text, and it counts nothing."""
    written = anew or "Paris."

    async def behave(exchange: Exchange) -> None:
        await behaviours.reply(anew if goes_on(exchange.request.body) else written, usage=None)(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 2, 1):
            whole = await asked(served, generation(prefix=begun), streamed=streamed)
            assert (whole.text, whole.restarted, whole.result.finish_reason) == (written, True, STOP)
            assert whole.result.attempts == attempts
            assert not goes_on(upstream.requests[-1].body)
            # The reply that counted for nothing costs money.
            assert not anew or attempts == 1 or whole.result.usage.output_tokens > len(written) // 8
        assert await refuses(served) == ["prefill"]


@pytest.mark.parametrize("blank", [" ", "\n\n"])
async def test_white_space_shows_nothing_of_a_provider_that_begins_each_text_with_it(blank: str) -> None:
    # Another candidate wrote the first part.
    anew = behaviours.reply(f"{blank}paris it is", usage=None)
    async with Upstream(anew) as upstream, adapter(upstream.base_url) as served:
        await asked(served, generation(), streamed=True)
        whole = await asked(served, generation(prefix=LEAD), streamed=True)
    assert (whole.text, whole.restarted, whole.result.attempts) == (f"{blank}paris it is", True, 2)


async def test_a_reply_that_no_count_can_explain_is_not_waited_for() -> None:
    anew = behaviours.reply("Paris.", usage=None)
    async with (
        Upstream(behaviours.hang_mid_stream("paris it is"), anew) as upstream,
        adapter(upstream.base_url) as served,
    ):
        whole = await asked(served, generation(prefix=LEAD), streamed=True)
        assert (whole.text, whole.restarted, whole.result.attempts) == ("Paris.", True, 2)
        await upstream.connections[0].closed.wait()


async def test_a_provider_that_was_seen_to_continue_is_trusted() -> None:
    begun, rest = UNTOLD["Chinese"]
    async with Upstream(behaviours.reply(rest)) as upstream, adapter(upstream.base_url) as served:
        assert (await asked(served, generation(prefix=begun), streamed=True)).restarted
        upstream.then(behaviours.reply(" Seine."))
        await asked(served, generation(prefix=LEAD), streamed=True)
        upstream.then(behaviours.reply(rest))
        whole = await asked(served, generation(prefix=begun), streamed=True)
        assert (whole.text, whole.restarted, whole.result.attempts) == (rest, False, 1)
        assert await refuses(served) == []


async def test_a_held_call_is_written_anew_before_its_checkpoint_if_nothing_shows_that_it_goes_on() -> None:
    def behave(text: str) -> Behaviour:
        return behaviours.stream([*map(delta, text), delta(finish="stop")], None)

    async with (
        Upstream(behave("paris it is, and the river is the seine")) as upstream,
        adapter(upstream.base_url) as served,
    ):
        held = await read(served.hold(generation(prefix=LEAD), 3))
    assert held.checkpoint is not None
    assert (held.before.restarted, held.before.text + held.after.text) == (
        True,
        "paris it is, and the river is the seine",
    )
    assert [goes_on(request.body) for request in upstream.requests] == [True, False]


async def test_thoughts_before_a_reply_that_may_be_new_are_not_given_out() -> None:
    thoughts = [delta(message={"reasoning_content": thought}) for thought in ("Hm", ", well")]
    anew = behaviours.stream([*thoughts, delta("paris it is"), delta(finish="stop")], None)
    async with Upstream(anew) as upstream, adapter(upstream.base_url) as served:
        whole = await asked(served, generation(prefix=LEAD), streamed=True)
    assert (whole.text, whole.restarted, whole.result.attempts) == ("paris it is", True, 2)
