"""The shortlist: the best for the prompt boot, now and then another one; the ledger says which do not, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_PROBATION, Candidate
from lightrouter.v1.chat_pb2 import Media, Part
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_SHORTLIST_FAILED,
    NOT_ASKED_REASON_CONTEXT_WINDOW,
    NOT_ASKED_REASON_COST_CEILING,
    NOT_ASKED_REASON_PROBATION,
    NOT_ASKED_REASON_SHORTLIST,
    STAGE_BOOT,
    STAGE_SHORTLIST,
    NotAskedReason,
)
from lightrouter.v1.router_pb2 import Answer
from lightrouter.v1.selector_pb2 import ShortlistRequest, ShortlistResponse
from tests.unit.router.builders import defaults, failure, pool_candidate, prompt, router
from tests.unit.router.builders import snapshot as pool
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model

POOL = (
    pool_candidate("a", prior=0.1),
    pool_candidate("b", prior=0.9),
    pool_candidate("c", prior=0.5),
    pool_candidate("d", prior=0.4),
)
SCORES = {"a": 0.9, "b": 0.2, "c": 0.8, "d": 0.1}


def fake(*candidates: Candidate) -> FakeModels:
    known = pool(*(candidates or POOL))
    return FakeModels(known, **{name: Model() for name in known.candidates})


async def route(
    models: FakeModels,
    selector: FakeSelector,
    explores: float = 0.0,
    log: EventLog | None = None,
    *,
    shortlist: int = 0,
    ceiling: int | None = None,
) -> Answer:
    with_defaults = replace(defaults(), exploring_share=explores)
    asked = router(models, selector, with_defaults=with_defaults)
    return await asked.route(
        prompt(shortlist=shortlist, max_cost_nanousd=ceiling), Deadline.after(60), log or EventLog()
    )


def not_asked(answer: Answer) -> Mapping[str, NotAskedReason.ValueType]:
    assert all(each.message for each in answer.ledger.not_asked)
    return {each.candidate: each.reason for each in answer.ledger.not_asked}


async def test_the_best_for_the_prompt_boot() -> None:
    models, selector, log = fake(), FakeSelector(SCORES), EventLog()
    answer = await route(models, selector, log=log, shortlist=2)
    assert models.asked(STAGE_BOOT) == ["a", "c"]
    assert not_asked(answer) == {"b": NOT_ASKED_REASON_SHORTLIST, "d": NOT_ASKED_REASON_SHORTLIST}
    assert [each.stage for each in answer.ledger.stages][:2] == [STAGE_SHORTLIST, STAGE_BOOT]
    assert log.kinds[0] == "started"
    (asked,) = selector.shortlists
    assert [each.candidate for each in asked.candidates] == ["a", "b", "c", "d"]
    assert [each.prior for each in asked.candidates] == [0.1, 0.9, 0.5, 0.4]
    assert asked.messages[0].content == "What is it?"
    assert not answer.degraded


@pytest.mark.parametrize("most", [0, 4, 9])
async def test_the_selector_makes_no_shortlist_if_all_boot(most: int) -> None:
    models, selector = fake(), FakeSelector(SCORES)
    answer = await route(models, selector, shortlist=most)
    assert models.asked(STAGE_BOOT) == ["a", "b", "c", "d"]
    assert not selector.shortlists
    assert not answer.ledger.not_asked
    assert STAGE_SHORTLIST not in [each.stage for each in answer.ledger.stages]


async def test_one_more_boots_in_the_exploring_share() -> None:
    models = fake()
    answer = await route(models, FakeSelector(SCORES), 1.0, shortlist=2)
    booted = models.asked(STAGE_BOOT)
    assert len(booted) == 3
    assert {"a", "c"} < set(booted)
    assert not_asked(answer).keys() == {"a", "b", "c", "d"} - set(booted)


class _Broken(FakeSelector):
    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        raise failure()


class _Wrong(FakeSelector):
    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        return ShortlistResponse()


@pytest.mark.parametrize("broken", [_Broken, _Wrong])
async def test_a_selector_that_fails_leaves_the_best_by_prior(broken: Callable[..., FakeSelector]) -> None:
    models = fake()
    answer = await route(models, broken(SCORES), shortlist=2)
    assert models.asked(STAGE_BOOT) == ["b", "c"]
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_SHORTLIST_FAILED]


async def test_the_ledger_says_why_others_are_not_asked() -> None:
    held = pool_candidate("held", state=CANDIDATE_STATE_PROBATION)
    small = pool_candidate("small", window=2)
    answer = await route(fake(pool_candidate("a"), held, small), FakeSelector())
    assert not_asked(answer) == {"held": NOT_ASKED_REASON_PROBATION, "small": NOT_ASKED_REASON_CONTEXT_WINDOW}
    dear = pool_candidate("dear", price=1_000_000_000)
    answer = await route(fake(pool_candidate("a"), dear), FakeSelector(), ceiling=100)
    assert not_asked(answer) == {"dear": NOT_ASKED_REASON_COST_CEILING}


async def test_the_shortlist_has_a_span() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    traced = router(fake(), FakeSelector(SCORES), tracer=provider.get_tracer("test"))
    await traced.route(prompt(shortlist=1), Deadline.after(60), EventLog())
    provider.shutdown()
    assert "shortlist" in [span.name for span in spans.get_finished_spans()]


IMAGE = Part(image=Media(data=b"png", mime_type="image/png"))


@pytest.mark.parametrize(
    ("part", "policy", "boots"),
    [
        (Part(text="What is it?"), {}, 4),
        (IMAGE, {}, 2),
        (Part(file=Media(uri="https://example.com/a.pdf", mime_type="application/pdf")), {}, 2),
        (Part(audio=Media(data=b"wav", mime_type="audio/wav")), {}, 2),
        (IMAGE, {"k": 3}, 3),
        (IMAGE, {"shortlist": 4}, 4),
        (IMAGE, {"shortlist": 1}, 1),
        (IMAGE, {"candidates": ["a", "b", "c"]}, 3),
    ],
)
async def test_few_boot_where_each_boot_reads_media(part: Part, policy: dict[str, Any], boots: int) -> None:
    models = fake()
    asked = prompt(**policy)
    asked.messages[0].parts.append(part)
    with_defaults = replace(defaults(), exploring_share=0.0)
    await router(models, FakeSelector(SCORES), with_defaults=with_defaults).route(asked, Deadline.after(60), EventLog())
    assert len(models.asked(STAGE_BOOT)) == boots
