"""When a route ends because its candidates agree, and when it may not: over the whole suite, whatever they write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lightrouter.v1.policy_pb2 import AnswerPattern, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import SELECTION_REASON_AGREEMENT, Answer
from tests.suite.rig import Suite, entry, prompt, running
from tests.unit.answers.test_evasions_of_languages import ANSWERS, OPENINGS, REFUSALS
from tests.unit.answers.test_wordings import APART, SAME
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

QUESTION = "How long is the way from the old harbour to the station?"
LONG = "To see how long it is we first have to look at where the harbour is, and only then at where the station lies."
REFUSAL = "I'm sorry, but I can't help with that request."


RIGHT = "The way is 4 km long."
# The unit tests have all of these; a route has them by samples, from each part of a list.
SAMPLED = 8


class Scripted:
    """Models, each of which writes its text and nothing else."""

    def __init__(self) -> None:
        self.texts: Mapping[str, str] = {}

    async def __call__(self, exchange: Exchange) -> None:
        name = str(exchange.request.body["model"]).removeprefix("model-of-")
        await behaviours.model(self.texts[name])(exchange)


@asynccontextmanager
async def scripted(folder: Path, count: int) -> AsyncIterator[tuple[Suite, Scripted]]:
    """Runs a suite of candidates, of which the first has the highest prior."""
    models = Scripted()
    async with Upstream(models) as upstream:
        entries = [
            entry(name, upstream.base_url, prior=0.9 - at / 10, circuit={"failures": 100})
            for at, name in enumerate("abcde"[:count])
        ]
        async with running(folder, *entries, router={"quorum": 1.0, "aggregator": "best"}) as suite:
            yield suite, models


async def answered(suite: Suite, models: Scripted, texts: tuple[str, ...], policy: Policy) -> Answer:
    models.texts = dict(zip("abcde", texts, strict=False))
    asked = Policy(boot_tokens=256, k=2, margin=1.0, selector=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS)
    asked.MergeFrom(policy)
    return await suite.complete(prompt(asked, QUESTION))


OPPOSITE = [
    ("You may go that way.", "You must go that way."),
    ("Go from Paris to Rome.", "Go to Paris from Rome."),
    ("It is 5 km.", "It is 5 m."),
    ("It costs $5.", "It costs \u20ac5."),
    ("It opened on 3/4/1999.", "It opened on 4/3/1999."),
    ("Ask Maria.", "Ask Mario."),
    ("\u4ed6\u6765\u4e86\u3002", "\u4ed6\u6ca1\u6765\u3002"),
    ("\u4e09\u767e\u7c73", "\u4e09\u5343\u7c73"),
    ("\u0935\u0939 \u0906\u092f\u093e\u0964", "\u0935\u0939 \u0928\u0939\u0940\u0902 \u0906\u092f\u093e\u0964"),
    ("\u096b \u0915\u093f\u0932\u094b", "\u096c \u0915\u093f\u0932\u094b"),
    ("\u0627\u0634\u0631\u0628\u0647", "\u0644\u0627 \u062a\u0634\u0631\u0628\u0647"),
    ("\u0665 \u0643\u064a\u0644\u0648", "\u0666 \u0643\u064a\u0644\u0648"),
]
EQUAL = [
    ("1,000", "1000.0", "1e3"),
    ("1/2", "50 %", "0,5"),
    ("The answer is 1,000 m.", "the answer is 1000 m", "The answer is \uff11\uff10\uff10\uff10 m"),
    ("caf\u00e9", "cafe\u0301", "Caf\u00e9."),
]


async def test_opposites_do_not_agree_and_equals_do(folder: Path) -> None:
    agreeing: list[tuple[str, ...]] = []
    async with scripted(folder, 3) as (suite, models):
        for one, other in OPPOSITE:
            for texts in ((one, one, other), (f"{LONG} {one}", f"{LONG} {one}", f"{LONG} {other}")):
                answer = await answered(suite, models, texts, Policy())
                if answer.selection.reason == SELECTION_REASON_AGREEMENT:
                    agreeing.append(texts)
        assert agreeing == []
        for texts in EQUAL:
            answer = await answered(suite, models, texts, Policy())
            assert answer.selection.reason == SELECTION_REASON_AGREEMENT, texts


async def test_texts_of_many_languages_agree_only_where_they_say_the_same(folder: Path) -> None:
    async with scripted(folder, 3) as (suite, models):
        for one, other in APART[::SAMPLED]:
            answer = await answered(suite, models, (one, one, other), Policy())
            assert answer.selection.reason != SELECTION_REASON_AGREEMENT, (one, other)
        for one, other in SAME[::SAMPLED]:
            answer = await answered(suite, models, (one, one, other), Policy())
            assert answer.selection.reason == SELECTION_REASON_AGREEMENT, (one, other)


async def test_what_answers_nothing_never_wins_in_any_language(folder: Path) -> None:
    async with scripted(folder, 5) as (suite, models):
        for evading in (*REFUSALS[::SAMPLED], *OPENINGS[::SAMPLED]):
            answer = await answered(suite, models, (evading,) * 3 + (RIGHT,) * 2, Policy())
            assert answer.selection.reason != SELECTION_REASON_AGREEMENT, evading
            assert answer.text == RIGHT, evading
        for text in ANSWERS[::SAMPLED]:
            answer = await answered(suite, models, (text,) * 3 + (RIGHT,) * 2, Policy())
            assert answer.text == text


async def test_announced_answers_in_other_notations_agree(folder: Path) -> None:
    texts = ("So $x$ is \\boxed{\\frac{1}{2}}.", "We get 3 and 4, thus: the answer is 50%.", "#### 0.5")
    policy = Policy(answer_pattern=AnswerPattern(number=True))
    async with scripted(folder, 3) as (suite, models):
        answer = await answered(suite, models, texts, policy)
    assert answer.selection.reason == SELECTION_REASON_AGREEMENT


@pytest.mark.parametrize(
    "evading",
    [
        REFUSAL,
        QUESTION,
        f"You asked: {QUESTION}",
        "\u5f88\u62b1\u6b49\uff0c\u6211\u65e0\u6cd5\u56de\u7b54\u8fd9\u4e2a\u95ee\u9898\u3002",
        "Es tut mir leid, aber dabei kann ich nicht helfen.",
    ],
)
async def test_three_that_evade_do_not_beat_two_that_answer(folder: Path, evading: str) -> None:
    async with scripted(folder, 5) as (suite, models):
        answer = await answered(suite, models, (evading,) * 3 + (RIGHT,) * 2, Policy())
    assert answer.selection.reason != SELECTION_REASON_AGREEMENT
    assert answer.text == RIGHT


async def test_openings_that_were_cut_off_do_not_agree(folder: Path) -> None:
    opening = "Let's think step by step. The answer is"
    texts = tuple(f"{opening} {number}." for number in (3, 3, 4))
    async with scripted(folder, 3) as (suite, models):
        answer = await answered(suite, models, texts, Policy(boot_tokens=len(opening)))
    assert answer.selection.reason != SELECTION_REASON_AGREEMENT
    assert len(answer.selection.chosen) == 2
