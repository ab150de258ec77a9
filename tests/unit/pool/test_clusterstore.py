"""The watch of Candidate resources, before an API that misbehaves."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from lightrouter.pool import resource
from lightrouter.pool.choices import State
from lightrouter.pool.clusterstore import ClusterStore
from lightrouter.pool.resource import Object
from lightrouter.pool.schema import PublicEntry, PublicPool
from tests.clock import Clock
from tests.upstreams.cluster import EXPIRED, Answer, Cluster, event, hangs, says, sends

TIMEOUT_S = 600.0


class Watched:
    """A watched namespace and what became of it."""

    def __init__(self, cluster: Cluster, watch_seconds: float, request_seconds: float) -> None:
        self.pools: asyncio.Queue[PublicPool] = asyncio.Queue()
        self.reached: asyncio.Queue[bool] = asyncio.Queue()
        self.resources = ClusterStore(
            cluster.api(watch_seconds=watch_seconds, request_seconds=request_seconds),
            self.pools.put_nowait,
            self.reached.put_nowait,
            judge="a",
            min_pause_seconds=0.001,
            max_pause_seconds=0.01,
        )

    async def pool(self) -> PublicPool:
        return await asyncio.wait_for(self.pools.get(), TIMEOUT_S)

    async def names(self) -> list[str]:
        return list((await self.pool()).entries)

    async def reachable(self) -> bool:
        return await asyncio.wait_for(self.reached.get(), TIMEOUT_S)


@asynccontextmanager
async def watching(
    cluster: Cluster, watch_seconds: float = 30.0, request_seconds: float = 10.0
) -> AsyncIterator[Watched]:
    watched = Watched(cluster, watch_seconds, request_seconds)
    task = asyncio.create_task(watched.resources.watch())
    try:
        yield watched
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster() as made:
        await made.put("a")
        yield made


async def test_what_is_there_and_what_is_added_changed_and_removed(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        assert await watched.names() == ["a"]
        await cluster.put("b", {"model": "m", "prior": 0.75, "prices": {"input": "0.15"}})
        pool = await watched.pool()
        assert list(pool.entries) == ["a", "b"]
        assert (pool.entries["b"].prior, pool.entries["b"].prices.input) == (0.75, 150_000_000)
        await cluster.put("b", {"model": "other"})
        assert (await watched.pool()).entries["b"].model == "other"
        await cluster.delete("a")
        assert await watched.names() == ["b"]
        assert cluster.asked["list"] == 1
        assert cluster.tokens == {"Bearer of-the-pod"}


async def test_the_evaluator_s_state_is_obeyed(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        assert (await watched.pool()).entries["a"].state is State.ADMITTED
        await cluster.put("a", state="evicted", score=0.1)
        assert (await watched.pool()).entries["a"].state is State.EVICTED


async def test_the_judge_judges_while_the_pool_has_it(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        assert (await watched.pool()).judge == "a"
        await cluster.delete("a")
        assert (await watched.pool()).judge is None


async def test_the_label_selector_is_the_api_s_to_apply(cluster: Cluster) -> None:
    api = cluster.api(selector="tier=one")
    await api.list()
    stream = api.watch("100")
    assert await anext(stream) == ("", {})
    await stream.aclose()
    assert [query["labelSelector"] for query in cluster.queries] == ["tier=one"] * 2
    assert cluster.queries[1]["allowWatchBookmarks"] == "true"


async def test_a_broken_one_says_why_and_harms_no_other(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        assert await watched.names() == ["a"]
        await cluster.put("b", {"modle": "m", "prices": {"input": "-1"}})
        await cluster.until(lambda: cluster.ready("b")[0] == "False")
        _, reason, message = cluster.ready("b")
        assert reason == "Invalid"
        assert "spec.modle: is not a known key; did you mean model?" in message
        assert "spec.model: is required" in message
        assert "spec.prices.input: must be US dollars" in message
        await cluster.put("c")
        assert await watched.names() == ["a", "c"]
        await cluster.put("b")
        assert await watched.names() == ["a", "b", "c"]
        await cluster.until(lambda: cluster.ready("b")[0] == "True")


async def test_one_that_breaks_leaves_the_pool(cluster: Cluster) -> None:
    await cluster.put("b")
    async with watching(cluster) as watched:
        assert await watched.names() == ["a", "b"]
        await cluster.put("b", {"model": ""})
        assert await watched.names() == ["a"]


async def test_a_name_that_is_taken_stays_with_the_older_one(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.put("0-copy", {"name": "a", "model": "other"})
        await cluster.until(lambda: cluster.ready("0-copy")[1] == "NameTaken")
        assert watched.resources.pool.entries["a"].model == "m"
        await cluster.delete("a")
        assert (await watched.pool()).entries["a"].model == "other"
        await cluster.until(lambda: cluster.ready("0-copy")[1] == "Accepted")


async def test_a_watch_that_is_cut_goes_on_from_where_it_was(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.put("b")
        await watched.pool()
        await cluster.bookmark()
        await cluster.until(lambda: cluster.ready("b")[0] == "True")
        cluster.cut()
        await cluster.until(lambda: cluster.asked["watch"] == 2)
        await cluster.put("c")
        assert await watched.names() == ["a", "b", "c"]
        assert cluster.asked["list"] == 1
        assert int(cluster.versions[1]) > int(cluster.versions[0])


async def test_a_bookmark_moves_the_version(cluster: Cluster) -> None:
    cluster.watches = [sends(event("BOOKMARK", {"metadata": {"resourceVersion": "4242"}}))]
    async with watching(cluster):
        await cluster.until(lambda: "4242" in cluster.versions)
    assert cluster.asked["list"] >= 1


async def test_a_watch_that_ends_in_time_is_begun_again(cluster: Cluster) -> None:
    async with watching(cluster, watch_seconds=1) as watched:
        await watched.pool()
        await cluster.until(lambda: cluster.asked["watch"] >= 2)
        await cluster.put("b")
        assert await watched.names() == ["a", "b"]
        assert cluster.asked["list"] == 1
        assert watched.reached.qsize() == 1


@pytest.mark.parametrize("gone", [says(410, "Expired"), sends(EXPIRED)], ids=["status", "event"])
async def test_a_version_that_has_expired_means_a_new_list(cluster: Cluster, gone: Answer) -> None:
    cluster.watches = [gone]
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.until(lambda: cluster.asked["list"] == 2)
        await cluster.put("b")
        assert await watched.names() == ["a", "b"]
        assert await watched.reachable()
        assert watched.reached.empty()


async def test_what_was_removed_unseen_is_gone_with_the_new_list(cluster: Cluster) -> None:
    await cluster.put("b")
    async with watching(cluster) as watched:
        assert await watched.names() == ["a", "b"]
        await cluster.stop()
        cluster.resources.pop("b")
        cluster.forget()
        await cluster.start(cluster.port)
        assert await watched.names() == ["a"]


async def test_a_lost_api_leaves_the_last_good_pool_and_is_told(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(cluster) as watched:
        await watched.pool()
        assert await watched.reachable()
        await cluster.stop()
        assert not await watched.reachable()
        assert list(watched.resources.pool.entries) == ["a"]
        assert caplog.text.count("the last valid pool stays") == 1
        await cluster.put("b")
        await cluster.start(cluster.port)
        assert await watched.names() == ["a", "b"]
        assert await watched.reachable()


@pytest.mark.parametrize(
    "fault",
    [
        says(500),
        says(503),
        says(403, "candidates is forbidden"),
        sends(),
        sends(b"no JSON\n"),
        sends(b"[]\n"),
        sends(event("ERROR", {"code": 500, "message": "etcdserver: leader changed"})),
        sends(event("MODIFIED", {"spec": {}})),
        sends(b'{"type": "MODI'),
        sends(b"\xff" * 100 + b"\n"),
    ],
)
async def test_a_watch_that_fails_is_tried_again(cluster: Cluster, fault: Answer) -> None:
    cluster.watches = [fault, fault, fault]
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.until(lambda: cluster.asked["watch"] == 4)
        await cluster.put("b")
        assert await watched.names() == ["a", "b"]


@pytest.mark.parametrize(
    "fault", [says(500), says(401), sends(b"{"), sends(b'{"items": []}'), sends(b'{"metadata": {}, "items": 1}')]
)
async def test_a_list_that_fails_is_tried_again(cluster: Cluster, fault: Answer) -> None:
    cluster.lists = [fault, fault]
    async with watching(cluster) as watched:
        assert await watched.names() == ["a"]
        assert not await watched.reachable()
        assert await watched.reachable()


async def test_an_api_that_hangs_is_left(cluster: Cluster, clock: Clock) -> None:
    cluster.lists, cluster.watches = [hangs], [hangs]
    async with watching(cluster, watch_seconds=30, request_seconds=30) as watched:
        await cluster.until(lambda: cluster.asked["list"] == 1)
        clock.advance(32)
        assert not await watched.reachable()
        assert await watched.names() == ["a"]
        await cluster.until(lambda: cluster.asked["watch"] == 1)
        clock.advance(64)
        assert await watched.reachable()


async def test_a_conflict_is_solved_by_the_newer_version(cluster: Cluster) -> None:
    cluster.patches = [says(409)]
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.until(lambda: cluster.asked["patch"] == 1)
        await cluster.put("a", state="probation")
        await cluster.until(lambda: cluster.ready("a")[0] == "True")
        assert cluster.resources["a"]["status"]["state"] == "probation"


async def test_a_status_that_cannot_be_written_is_tried_again_and_holds_nothing_up(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.patches = [says(403, "forbidden"), says(500)]
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.put("b")
        assert await watched.names() == ["a", "b"]
        await cluster.until(lambda: cluster.ready("a")[0] == cluster.ready("b")[0] == "True")
        assert caplog.text.count("is not written") == 1


async def test_routers_that_disagree_write_once_each(cluster: Cluster) -> None:
    async with watching(cluster) as watched:
        await watched.pool()
        await cluster.until(lambda: cluster.ready("a")[0] == "True")
        since = {"lastTransitionTime": "2026-03-01T00:00:00Z"}
        other = {"type": "Ready", "status": "False", "reason": "Invalid", "message": "by an older release", **since}
        evaluated = {"type": "Evaluated", "status": "True", "reason": "Done", "message": "", **since}
        await cluster.put("a", conditions=[other, evaluated])
        await cluster.put("b")
        await cluster.until(lambda: cluster.ready("b")[0] == "True")
        assert cluster.ready("a")[2] == "by an older release"
        await cluster.put("a", {"model": "other"})
        await cluster.until(lambda: cluster.ready("a")[0] == "True")
        assert evaluated in cluster.resources["a"]["status"]["conditions"]


def drifted(status: str) -> dict[str, str]:
    said = {"type": "Drifted", "status": status, "reason": "OutOfItsHistory", "message": "it fails"}
    return said | {"lastTransitionTime": "2026-03-01T00:00:00Z"}


async def test_what_a_router_said_of_drift_goes_with_it_unless_another_one_sees_it(cluster: Cluster) -> None:
    await cluster.put("a", conditions=[drifted("True")])
    await cluster.put("b", conditions=[drifted("False")])
    async with watching(cluster) as first:
        await first.pool()
        await cluster.until(lambda: cluster.condition("a", "Drifted")[0] == "False")
        assert cluster.condition("b", "Drifted")[0] == "False"
        first.resources.drifted("a", "it is slow")
        await cluster.until(lambda: cluster.condition("a", "Drifted")[0] == "True")
        written = cluster.asked["patch"]
        async with watching(cluster) as second:
            # The second one takes back what it has not seen, and the first one says it again.
            await second.pool()
            await cluster.until(lambda: cluster.asked["patch"] >= written + 2)
            await cluster.until(lambda: cluster.condition("a", "Drifted")[::2] == ("True", "it is slow"))
    async with watching(cluster) as third:
        await third.pool()
        await cluster.until(lambda: cluster.condition("a", "Drifted")[0] == "False")


async def test_two_routers_write_beside_each_other_and_each_one_s_word_stays(cluster: Cluster) -> None:
    await cluster.put("b")
    async with watching(cluster) as first, watching(cluster) as second:
        await first.pool()
        await second.pool()
        await cluster.until(lambda: cluster.ready("a")[0] == cluster.ready("b")[0] == "True")
        first.resources.drifted("a", "it is slow")
        second.resources.drifted("b", "it fails")
        await cluster.until(
            lambda: cluster.condition("a", "Drifted")[0] == cluster.condition("b", "Drifted")[0] == "True"
        )
        # The other router, which has seen no drift of it, writes Ready anew and leaves the drift.
        await cluster.put("a", {"model": "other"})
        await cluster.put("b", {"model": ""})
        await cluster.until(lambda: cluster.ready("b")[0] == "False")
        await cluster.until(lambda: cluster.resources["a"]["status"]["observedGeneration"] == 2)
        assert cluster.condition("a", "Drifted")[::2] == ("True", "it is slow")
        assert cluster.condition("b", "Drifted")[::2] == ("True", "it fails")
        assert set(cluster.owners["a"]) <= {"a-person", "lightrouter-router", "lightrouter-drift"}


async def test_a_start_parses_each_version_of_a_resource_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, threads = Counter[str](), set[threading.Thread]()
    real = resource.parse

    def parse(found: Object) -> PublicEntry:
        parsed[resource.version_of(found)] += 1
        threads.add(threading.current_thread())
        return real(found)

    monkeypatch.setattr(resource, "parse", parse)
    names = [f"c{number}" for number in range(20)]
    for name in names:
        await cluster.put(name)
    async with watching(cluster):
        await cluster.until(lambda: all(cluster.ready(name)[0] == "True" for name in names))
    assert set(parsed.values()) == {1}
    assert len(parsed) <= 2 * len(cluster.resources)
    assert threading.main_thread() not in threads
