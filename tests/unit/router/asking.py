"""What the tests of routes under worth share: three candidates, and a selector that knows their gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightrouter.router.rules import Defaults
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.router_pb2 import (
    Answer,
)
from tests.unit.router.builders import pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector, Model

WORTH = 1000
NAMES = ("a", "b", "c")
ASKING = {"a": (0.6, 0.0, 10), "b": (0.5, 0.1, 10), "c": (0.4, 0.05, 60)}
"""First `a`, then `b`: 0.1 x 1,000 - 10; and `c` is not worth its cost: 0.05 x 1,000 - 60."""


def fake(**models: Model) -> FakeModels:
    pool = snapshot(*(pool_candidate(name, prior=prior) for name, prior in zip(NAMES, (0.3, 0.9, 0.5), strict=True)))
    return FakeModels(pool, **({name: Model(words=(f"{name} ", "says ", "so ")) for name in NAMES} | models))


def knowing(scores: Mapping[str, float] | None = None, **asking: tuple[float, float, int]) -> FakeSelector:
    selector = FakeSelector(dict(scores or {"a": 0.7, "b": 0.6, "c": 0.5}))
    selector.asking = ASKING | asking
    return selector


async def route(
    models: FakeModels,
    selector: FakeSelector,
    log: EventLog | None = None,
    merging: FakeAggregator | None = None,
    with_defaults: Defaults | None = None,
    **policy: Any,
) -> Answer:
    asked = prompt(**({"worth_nanousd": WORTH} | policy))
    made = router(models, selector, merging, with_defaults=with_defaults)
    return await made.route(asked, Deadline.after(60), log or EventLog(text=False))
