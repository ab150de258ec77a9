"""Replies to a prefill: continued, repeated first, or written anew."""

from __future__ import annotations

import json

import pytest

from tests.rpc.adapter_support import STOP, adapter, answered, asked, generation, most
from tests.upstreams import behaviours
from tests.upstreams.behaviours import completion, delta
from tests.upstreams.upstream import Upstream

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
        # The counts of the two calls do not compare.
        (4, "巴黎位于塞纳河畔", False),
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
            assert (sent[-1]["role"] == "user") == learnt


UNSPACED = {
    "Chinese": ("巴黎是法国的首都。它位于", "这座城市在塞纳河畔。"),
    "Japanese": ("パリはフランスの首都で、", "その街はセーヌ川沿いにあります。"),
    "Thai": ("ปารีสเป็นเมืองหลวงของฝรั่งเศส ตั้งอยู่", "เมืองนี้อยู่ริมแม่น้ำแซน"),
    "Khmer": ("ប៉ារីសជារដ្ឋធានីនៃប្រទេសបារាំង", "ទីក្រុងនេះនៅលើទន្លេសែន"),
    "Burmese": ("ပါရီသည် ပြင်သစ်နိုင်ငံ၏ မြို့တော်ဖြစ်သည်", "ဤမြို့သည် စိန်းမြစ်ကမ်းတွင်ရှိသည်"),
    "Lao": ("ປາຣີເປັນເມືອງຫຼວງຂອງຝຣັ່ງ", "ເມືອງນີ້ຢູ່ແຄມແມ່ນ້ຳແຊນ"),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("begun", "anew"), UNSPACED.values(), ids=UNSPACED)
async def test_where_an_ignored_prefill_would_not_show_the_text_is_written_anew(
    begun: str, anew: str, streamed: bool
) -> None:
    # Nothing shows what the prompt alone counts, and nobody has seen the provider continue a text.
    async with Upstream(behaviours.reply(anew)) as upstream, adapter(upstream.base_url) as served:
        whole = await asked(served, generation(prefix=begun), streamed=streamed)
        assert (whole.text, whole.restarted, whole.result.finish_reason) == (anew, True, STOP)
        assert upstream.requests[-1].body["messages"][-1]["role"] == "user"
        # Once it has clearly continued a text, it is trusted.
        upstream.then(behaviours.reply(" Seine."))
        await asked(served, generation(prefix=LEAD), streamed=streamed)
        upstream.then(behaviours.reply(anew))
        whole = await asked(served, generation(prefix=begun), streamed=streamed)
        assert (whole.text, whole.restarted) == (anew, False)
        assert upstream.requests[-1].body["messages"][-1]["role"] == "assistant"
