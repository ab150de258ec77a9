"""Candidates that hang, refuse or want rest, over real channels: no route waits for them, and each says so."""

from __future__ import annotations

import pytest

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import failed_entry
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_REJECTED,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_LAST_RESORT,
    NOT_ASKED_REASON_NOT_SERVING,
    NOT_ASKED_REASON_RESTING,
    STAGE_AGGREGATE,
    STAGE_BOOT,
    STAGE_COMPLETE,
    STAGE_SELECT,
    Stage,
)
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import failure, prompt
from tests.unit.router.fakes import Model

TWO: list[dict[str, object]] = [{"name": "a"}, {"name": "b"}]
HELD: list[dict[str, object]] = [*TWO, {"name": "held", "state": "probation"}]
HOUR_S = 3600.0


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("quorum", [0.75, 1.0])
async def test_one_of_two_that_hangs_costs_a_grace_and_not_half_the_deadline(quorum: float, streaming: bool) -> None:
    async with RouterSuite(entries=TWO, boot_grace_seconds=0.01) as suite:
        suite.models.models["a"] = Model(hangs={STAGE_BOOT})
        asked = prompt(quorum=quorum)
        answer = (await suite.stream(asked))[-1].answer if streaming else (await suite.complete(asked)).answer
        assert list(answer.candidates) == ["b"]
        failed = {e.candidate: e.failure.reason for e in answer.ledger.entries if e.HasField("failure")}
        assert failed == {"a": ERROR_REASON_STRAGGLER}
        await suite.models.quiet.wait()
        assert suite.models.cancelled == ["a"]


@pytest.mark.parametrize("streaming", [False, True])
async def test_candidates_on_probation_are_the_last_resort(streaming: bool) -> None:
    async with RouterSuite(entries=HELD, probation_share=0.0) as suite:
        for name in "ab":
            suite.models.models[name] = Model(fails={STAGE_BOOT: failure()})
        answer = (await suite.stream(prompt()))[-1].answer if streaming else (await suite.complete(prompt())).answer
        assert list(answer.candidates) == ["held"]
        said = [each.candidate for each in answer.degraded if each.reason == DEGRADED_REASON_LAST_RESORT]
        assert said == ["held"]
        assert [call.last_resort for call in suite.models.calls if call.candidate == "held"] == [True, True]


EIGHT: list[dict[str, object]] = [{"name": n, "state": "probation" if n > "b" else "admitted"} for n in "abcdefgh"]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("broken", ["abc", "abcdefg"])
@pytest.mark.parametrize("fails", [Model(fails={STAGE_BOOT: failure()}), Model(fails={STAGE_COMPLETE: failure()})])
async def test_a_caller_gets_its_answer_if_one_candidate_works(
    fails: Model, broken: str, k: int, streaming: bool
) -> None:
    """Two are admitted, and the rest on probation; who works of them is not known."""
    async with RouterSuite(entries=EIGHT, probation_share=0.0, aggregator="best") as suite:
        suite.models.models.update(dict.fromkeys(broken, fails))
        asked = prompt(k=k)
        answer = (await suite.stream(asked))[-1].answer if streaming else (await suite.complete(asked)).answer
        # Another one may have gone on from what was sent of a boot.
        assert answer.candidates[-1] not in broken


@pytest.mark.parametrize("streaming", [False, True])
async def test_hanging_candidates_leave_time_for_each_standby(streaming: bool) -> None:
    async with RouterSuite(entries=EIGHT, probation_share=0.0, boot_share=1e-4) as suite:
        suite.models.models.update(dict.fromkeys("abcde", Model(hangs={STAGE_BOOT})))
        asked = prompt(k=1)
        answer = (await suite.stream(asked))[-1].answer if streaming else (await suite.complete(asked)).answer
        assert list(answer.candidates) == ["f"]


async def test_a_provider_that_asked_for_rest_gets_it() -> None:
    async with RouterSuite(entries=TWO) as suite:
        limited = ServiceError(
            Code.RESOURCE_EXHAUSTED, ERROR_REASON_UPSTREAM_RATE_LIMITED, "HTTP 429", retry_after=HOUR_S
        )
        suite.models.models["a"] = Model(fails={STAGE_BOOT: limited})
        await suite.complete(prompt())
        answer = (await suite.complete(prompt())).answer
        assert suite.models.asked(STAGE_BOOT).count("a") == 1
        assert [(each.candidate, each.reason) for each in answer.ledger.not_asked] == [("a", NOT_ASKED_REASON_RESTING)]


@pytest.mark.parametrize("stage", [STAGE_SELECT, STAGE_AGGREGATE], ids=["judge", "synthesizer"])
async def test_the_provider_of_a_judge_or_a_synthesizer_gets_the_rest_that_it_asked_for(stage: Stage.ValueType) -> None:
    async with RouterSuite(entries=TWO) as suite:
        helper = suite.selector if stage == STAGE_SELECT else suite.aggregator
        limited = ServiceError(
            Code.RESOURCE_EXHAUSTED, ERROR_REASON_UPSTREAM_RATE_LIMITED, "HTTP 429", retry_after=HOUR_S
        )
        helper.entries = [failed_entry(stage, "a", limited, 0.1)]
        first = (await suite.complete(prompt(k=2))).answer
        assert [e.failure.retry_after.seconds for e in first.ledger.entries if e.HasField("failure")] == [HOUR_S]
        second = (await suite.complete(prompt())).answer
        assert [(each.candidate, each.reason) for each in second.ledger.not_asked] == [("a", NOT_ASKED_REASON_RESTING)]


async def test_an_adapter_that_says_that_it_does_not_serve_is_not_asked() -> None:
    async with RouterSuite(entries=TWO) as suite:
        await suite.adapters["a"].set_serving("lightrouter.v1.AdapterService", False)
        answer = (await suite.complete(prompt())).answer
        while not answer.ledger.not_asked:
            answer = (await suite.complete(prompt())).answer
        assert [(each.candidate, each.reason) for each in answer.ledger.not_asked] == [
            ("a", NOT_ASKED_REASON_NOT_SERVING)
        ]
        await suite.adapters["a"].set_serving("lightrouter.v1.AdapterService", True)
        while answer.ledger.not_asked:
            answer = (await suite.complete(prompt())).answer


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_prompt_that_all_refuse_is_a_failed_precondition(streaming: bool) -> None:
    async with RouterSuite(entries=TWO) as suite:
        for name, reason in (("a", ERROR_REASON_UPSTREAM_REJECTED), ("b", ERROR_REASON_UPSTREAM_UNAUTHENTICATED)):
            refusal = ServiceError(Code.FAILED_PRECONDITION, reason, "HTTP 4xx")
            suite.models.models[name] = Model(fails={STAGE_BOOT: refusal})
        with pytest.raises(ServiceError) as caught:
            await (suite.stream(prompt()) if streaming else suite.complete(prompt()))
        assert (caught.value.code, caught.value.reason) == (
            Code.FAILED_PRECONDITION,
            ERROR_REASON_ALL_CANDIDATES_FAILED,
        )
        assert set(caught.value.failures) == {"a", "b"}
