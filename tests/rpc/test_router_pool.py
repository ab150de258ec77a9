"""What a router makes of its candidates by its own traffic and by the evaluator, over real channels."""

from __future__ import annotations

from lightrouter.pool.choices import State
from lightrouter.pool.status import DIVERSE
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_ADMITTED, CANDIDATE_STATE_PROBATION
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from lightrouter.v1.router_pb2 import SELECTION_REASON_HOMOGENEOUS_POOL, SELECTION_REASON_POLICY
from tests.rpc.router_suite import RouterSuite
from tests.unit.pool.status_support import SINCE, condition, held
from tests.unit.router.builders import failure, prompt

JUDGED = held(State.ADMITTED, "CrediblyGood", "it is good", evaluated_model="m", evaluation_run="run-1")


async def test_a_candidate_drifts_and_is_back_once_it_is_evaluated() -> None:
    async with RouterSuite(drift_run_length=10, probation_share=0.0) as suite:
        for _ in range(150):
            await suite.complete(prompt())
        listed = await suite.list_candidates()
        assert {status.candidate.name for status in listed.candidates if status.HasField("traffic")} == {"a", "b", "c"}
        assert not any(status.traffic.drift for status in listed.candidates)
        suite.models.models["c"].fails[STAGE_BOOT] = failure()
        calls = 0
        while not (drifted := (await suite.list_candidates()).candidates[2]).traffic.drift and calls < 200:
            answer = (await suite.complete(prompt())).answer
            assert answer.text
            calls += 1
        assert drifted.candidate.state == CANDIDATE_STATE_PROBATION
        assert "calls failed" in drifted.traffic.drift
        assert drifted.traffic.failure_rate > 0
        answer = (await suite.complete(prompt())).answer
        assert "c" not in {entry.candidate for entry in answer.ledger.entries}

        await suite.write_standings({"c": JUDGED.having(score=0.6, evaluated_prompts=50, last_evaluated=SINCE)})
        back = (await suite.list_candidates()).candidates[2]
        assert back.candidate.state == CANDIDATE_STATE_ADMITTED
        assert not back.HasField("traffic")


async def test_one_goes_on_in_a_homogeneous_pool() -> None:
    async with RouterSuite() as suite:
        assert (await suite.complete(prompt())).answer.selection.reason == SELECTION_REASON_POLICY
        alike = condition(DIVERSE, False, "Homogeneous", "the candidates are right and wrong together")
        await suite.write_standings({name: JUDGED.having(alike) for name in "abc"})
        (listed,) = (await suite.list_candidates()).conditions
        assert (listed.type, listed.message) == ("Homogeneous", alike.message)
        answer = (await suite.complete(prompt())).answer
        assert answer.selection.reason == SELECTION_REASON_HOMOGENEOUS_POOL
        assert list(answer.candidates) == ["a"]
        # As soon as one differs, merging is worth while again.
        differs = condition(DIVERSE, True, "NotHomogeneous", "")
        await suite.write_standings({name: JUDGED.having(differs if name == "b" else alike) for name in "abc"})
        assert (await suite.complete(prompt())).answer.selection.reason == SELECTION_REASON_POLICY
        assert not (await suite.list_candidates()).conditions


async def test_the_minimum_is_said_where_it_keeps_a_drifted_candidate() -> None:
    async with RouterSuite(drift_run_length=10, minimum_candidates=3) as suite:
        for _ in range(150):
            await suite.complete(prompt())
        suite.models.models["c"].fails[STAGE_BOOT] = failure()
        calls = 0
        while not (conditions := (await suite.list_candidates()).conditions) and calls < 200:
            await suite.complete(prompt())
            calls += 1
        assert [condition.type for condition in conditions] == ["MinimumReached"]
        assert conditions[0].message.startswith("c has drifted")
        statuses = (await suite.list_candidates()).candidates
        assert {status.candidate.state for status in statuses} == {CANDIDATE_STATE_ADMITTED}
