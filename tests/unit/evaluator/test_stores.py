"""The store of statuses, in a cluster whose API misbehaves: nothing is lost or reported twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.run import Report, evaluate
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.pool.clusterstore import ClusterStore
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.status import BY_HAND, CandidateStatus, PoolStatus
from lightrouter.pool.store import StoreError
from tests.unit.evaluator.fakes import NOW, FakeModels, pool_text, prompts, settings
from tests.upstreams.cluster import Answer, Cluster, says

QUALITY = {"good": 0.85, "fair": 0.8, "weak": 0.15}
ITEMS = prompts(200)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster() as made:
        for name in QUALITY:
            await made.put(name, {"model": f"m-{name}"})
        yield made


def home(cluster: Cluster, patience: float = 30.0) -> ClusterStore:
    return ClusterStore(cluster.api(request_seconds=600.0), patience_seconds=patience, min_pause_seconds=0.01)


async def run(cluster: Cluster, folder: Path, where: ClusterStore, name: str = "run-1", seed: int = 1) -> Report:
    told = settings(folder, ITEMS, run=name, seed=seed)
    return await evaluate(where, FakeModels(QUALITY), told, Announcer(NoOpMeter("")), NoOpTracer())


def held(cluster: Cluster) -> dict[str, str]:
    return {name: resource["status"].get("state", "") for name, resource in cluster.resources.items()}


EXPECTED = {"good": "admitted", "fair": "admitted", "weak": "evicted"}


async def test_the_verdict_is_the_status_and_the_router_s_condition_stays(cluster: Cluster, tmp_path: Path) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "x"}
    await cluster.put("weak", {"model": "m-weak"}, conditions=[ready])
    report = await run(cluster, tmp_path, home(cluster))
    assert held(cluster) == EXPECTED
    status = cluster.resources["weak"]["status"]
    assert status["evaluatedPrompts"] == report.outcome.scores["weak"].tally.seen
    assert status["scoreLow"] < status["score"] < status["scoreHigh"]
    assert {each["category"] for each in status["categories"]} == {"law", "art"}
    assert (status["lastEvaluated"], status["evaluationRun"]) == ("2026-03-01T00:00:00Z", "run-1")
    assert cluster.condition("weak", "Admitted")[:2] == ("False", "CrediblyWorse")
    assert cluster.ready("weak")[:2] == ("True", "Accepted")


async def test_an_api_that_is_away_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    cluster.lists = [says(503), says(500)]
    cluster.patches = [says(503), says(429), says(500)]
    port = cluster.port
    await cluster.stop()

    async def back() -> None:
        await asyncio.sleep(0)
        await cluster.start(port)

    _, report = await asyncio.gather(back(), run(cluster, tmp_path, home(cluster)))
    assert held(cluster) == EXPECTED
    assert [change.candidate for change in report.changes] == ["weak"]


async def test_what_was_found_outlives_an_api_that_stays_away(cluster: Cluster, tmp_path: Path) -> None:
    cluster.patches = [says(503)] * 100
    with pytest.raises(StoreError, match="the API says 503"):
        await run(cluster, tmp_path, home(cluster, patience=0.1))
    assert held(cluster) == dict.fromkeys(QUALITY, "")
    cluster.patches.clear()
    models = FakeModels(QUALITY)
    told = settings(tmp_path, ITEMS, run="run-2")
    report = await evaluate(home(cluster), models, told, Announcer(NoOpMeter("")), NoOpTracer())
    # Nothing is asked a second time.
    assert not models.calls
    assert report.resumed
    assert held(cluster) == EXPECTED
    assert {resource["status"]["evaluationRun"] for resource in cluster.resources.values()} == {"run-1"}


async def test_a_refusal_is_not_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    cluster.patches = [says(403, "you may not")]
    with pytest.raises(StoreError, match="you may not"):
        await run(cluster, tmp_path, home(cluster))


async def test_a_conflict_is_decided_anew_from_what_holds_then(cluster: Cluster, tmp_path: Path) -> None:
    async def meanwhile(request: web.Request) -> web.StreamResponse:
        # A person evicts the candidate between our look and our word.
        conditions = [{"type": "Admitted", "status": "False", "reason": BY_HAND, "message": "no"}]
        await cluster.put("good", {"model": "m-good"}, state="evicted", conditions=conditions)
        return await says(409, "the object has been modified")(request)

    taken: Answer = meanwhile
    cluster.patches = [taken]
    report = await run(cluster, tmp_path, home(cluster))
    assert held(cluster)["good"] == "evicted"
    assert cluster.condition("good", "Admitted")[1] == BY_HAND
    assert {name: state for name, state in held(cluster).items() if name != "good"} == {
        "fair": "admitted",
        "weak": "evicted",
    }
    assert [change.candidate for change in report.changes] == ["weak"]


async def test_many_conflicts_say_nothing_twice(cluster: Cluster, tmp_path: Path) -> None:
    cluster.patches = [says(409)] * 7
    report = await run(cluster, tmp_path, home(cluster))
    assert held(cluster) == EXPECTED
    # Three candidates: each pass of conflicts asks for those that are still to be said; then each is said once.
    assert cluster.asked["patch"] == 7 + 3
    assert len(report.changes) == 1


async def test_conflicts_without_end_are_given_up(cluster: Cluster, tmp_path: Path) -> None:
    cluster.patches = [says(409)] * 10_000
    with pytest.raises(StoreError, match="change faster than"):
        await run(cluster, tmp_path, home(cluster, patience=0.1))
    cluster.patches.clear()
    assert (await run(cluster, tmp_path, home(cluster))).resumed


async def test_two_evaluators_without_a_common_journal_come_to_one_state(cluster: Cluster, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    reports = await asyncio.gather(
        run(cluster, folders[0], home(cluster), "run-a", 1), run(cluster, folders[1], home(cluster), "run-b", 2)
    )
    assert held(cluster) == EXPECTED
    # The state changes once, by the first writer; no figure is the sum of both.
    assert sorted(len(report.changes) for report in reports) == [0, 1]
    seen = {report.outcome.scores["weak"].tally.seen for report in reports}
    assert cluster.resources["weak"]["status"]["evaluatedPrompts"] in seen


async def test_a_candidate_that_goes_meanwhile_is_no_fault(cluster: Cluster, tmp_path: Path) -> None:
    async def gone(request: web.Request) -> web.StreamResponse:
        await cluster.delete(request.match_info["name"])
        return await says(404)(request)

    cluster.patches = [gone]
    await run(cluster, tmp_path, home(cluster))
    assert len(cluster.resources) == 2


async def test_nobody_flaps_over_many_evaluations(cluster: Cluster, tmp_path: Path) -> None:
    changes = [
        change
        for number in range(4)
        for change in (await run(cluster, tmp_path, home(cluster), f"run-{number}", number)).changes
    ]
    assert [change.candidate for change in changes] == ["weak"]


async def test_another_writer_of_the_state_file_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(pool_text("a", "b"))

    async def evict(name: str) -> None:
        def change(now: PoolStatus) -> dict[str, CandidateStatus]:
            return {name: now.status(name).moved(State.EVICTED, BY_HAND, "no", NOW)}

        await FileStore(path).update(change)

    await asyncio.gather(evict("a"), evict("b"))
    found = await FileStore(path).read()
    assert {entry.state for entry in found.pool.entries.values()} == {State.EVICTED}


@pytest.mark.parametrize(
    "text",
    [
        pool_text("good", "fair"),
        pool_text("good", "fair", "weak").replace("m-weak", "m-other"),
        pool_text("good", "fair", "renamed"),
    ],
)
async def test_a_person_s_word_outlives_a_pool_without_the_candidate(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(pool_text(*QUALITY))
    where = FileStore(path)
    word = CandidateStatus(evaluated_model="m-weak").moved(State.EVICTED, BY_HAND, "it leaks", NOW)
    await where.update(lambda held: {"weak": word})
    # What a later release writes, this one does not understand and does not lose.
    states = statefile.state_path(path)
    said = json.loads(states.read_text())
    said["candidates"]["later"] = {"state": "resting", "more": [1]}
    said["candidates"]["weak"]["more"] = "kept"
    states.write_text(json.dumps(said))
    path.write_text(text)
    await where.update(lambda held: {"good": held.status("good").moved(State.PROBATION, "Undecided", "m", NOW)})
    after = json.loads(states.read_text())["candidates"]
    assert {name: after[name] for name in ("weak", "later")} == said["candidates"]
    path.write_text(pool_text(*QUALITY))
    found = await where.read()
    assert found.status("weak").held_out
    assert found.pool.entries["weak"].state is State.EVICTED
    assert found.pool.entries["good"].state is State.PROBATION
