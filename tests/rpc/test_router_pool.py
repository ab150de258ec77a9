"""What a router makes of its candidates by its own traffic and by the evaluator, over real channels."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from lightrouter.pool.choices import State
from lightrouter.pool.status import CandidateStatus, Condition
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_ADMITTED, CANDIDATE_STATE_PROBATION, Evaluation
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from lightrouter.v1.router_pb2 import SELECTION_REASON_HOMOGENEOUS_POOL, SELECTION_REASON_POLICY
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import failure, prompt

NOW = datetime(2026, 3, 1, tzinfo=UTC)
JUDGED = CandidateStatus(State.ADMITTED, "CrediblyGood", "it is good", "2026-03-01T00:00:00Z", "m", "run-1")


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

        found = Evaluation(score=0.6, prompts=50)
        found.evaluated_at.FromDatetime(NOW)
        suite.write_standings({"c": replace(JUDGED, evaluation=found)})
        back = (await suite.list_candidates()).candidates[2]
        assert back.candidate.state == CANDIDATE_STATE_ADMITTED
        assert not back.HasField("traffic")


async def test_one_goes_on_in_a_homogeneous_pool() -> None:
    async with RouterSuite() as suite:
        assert (await suite.complete(prompt())).answer.selection.reason == SELECTION_REASON_POLICY
        alike = Condition(False, "Homogeneous", "the candidates are right and wrong together", "2026-03-01T00:00:00Z")
        suite.write_standings({name: replace(JUDGED, diverse=alike) for name in "abc"})
        (condition,) = (await suite.list_candidates()).conditions
        assert (condition.type, condition.message) == ("Homogeneous", alike.message)
        answer = (await suite.complete(prompt())).answer
        assert answer.selection.reason == SELECTION_REASON_HOMOGENEOUS_POOL
        assert list(answer.candidates) == ["a"]
        # As soon as one differs, merging is worth while again.
        differs = replace(alike, holds=True)
        suite.write_standings({name: replace(JUDGED, diverse=differs if name == "b" else alike) for name in "abc"})
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
