"""The adapters of one process follow the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from lightrouter.adapter.engine import Engine
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime.circuit import State
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.suite.adapters import Adapters
from lightrouter.suite.addresses import TEMPLATE, LocalAddresses
from tests.unit.adapter.test_live import make_engine


def pool(*names: str, **members: object) -> Pool:
    entries = [CandidateEntry.model_validate({"name": name, "base_url": "http://m", "model": "m"}) for name in names]
    return Pool({entry.name: entry.model_copy(update=members) for entry in entries})


def picky(entry: CandidateEntry, on_circuit: Callable[[State], None], provider_state: ProviderState | None) -> Engine:
    """Makes an engine, but of no entry whose name begins with bad."""
    if entry.name.startswith("bad"):
        raise EntryError(f"{entry.name} cannot be used")
    return make_engine(entry, on_circuit, provider_state)


def names(adapters: Adapters) -> list[str]:
    return sorted(live.engine.entry.name for live in adapters.all())


async def test_they_come_change_and_go_with_the_pool() -> None:
    adapters = Adapters(picky)
    adapters.start(pool("a", "b"))
    kept, changed = adapters.engine("a"), pool("a", "c")
    adapters.apply(changed)
    assert names(adapters) == ["a", "c"]
    assert adapters.engine("a") is kept
    adapters.apply(pool("a", "b", model="other"))
    assert names(adapters) == ["a", "b"]
    assert adapters.engine("a").entry.model == "other"
    with pytest.raises(ServiceError, match="no adapter of c runs in this process") as caught:
        adapters.engine("c")
    assert caught.value.code == Code.NOT_FOUND
    await adapters.finish()
    assert names(adapters) == []


async def test_an_entry_with_an_address_has_none() -> None:
    adapters = Adapters(picky)
    adapters.start(pool("a", address="host:1"))
    assert names(adapters) == []
    adapters.apply(pool("a"))
    assert names(adapters) == ["a"]
    adapters.apply(pool("a", address="host:1"))
    assert names(adapters) == []
    await adapters.finish()


async def test_an_entry_that_cannot_be_used_stops_the_start_and_no_change(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EntryError):
        Adapters(picky).start(pool("a", "bad"))
    adapters = Adapters(picky)
    adapters.start(pool("a"))
    adapters.apply(pool("bad", "b"))
    assert names(adapters) == ["b"]
    assert "the entry of bad cannot be used, so it does not serve: bad cannot be used" in caplog.text
    await adapters.finish()


async def test_a_watch_tells_when_the_circuit_opens() -> None:
    adapters = Adapters(picky)
    adapters.start(pool("a"))
    circuit = adapters.engine("a").provider_state.circuit
    async with aclosing(adapters.states("a")) as states:
        assert await anext(states) is True
        later = asyncio.ensure_future(anext(states))
        while circuit.state is not State.OPEN:
            circuit.record(circuit.admit(), succeeded=False)
        assert await later is False
    await adapters.finish()


async def test_a_candidate_that_is_not_here_has_no_watch() -> None:
    with pytest.raises(ServiceError, match="no adapter of a"):
        await anext(Adapters(picky).states("a"))


async def test_a_watch_tells_that_its_adapter_is_gone() -> None:
    adapters = Adapters(picky)
    adapters.start(pool("a"))
    async with aclosing(adapters.states("a")) as states:
        assert await anext(states) is True
        adapters.apply(pool("b"))
        assert await anext(states) is False
    await adapters.finish()


IN_CLUSTER = "dns:///lightrouter-adapter-{name}.ns.svc.cluster.local:50051"


@pytest.mark.parametrize(
    ("template", "address", "candidate"),
    [
        (TEMPLATE, "in-process:a", "a"),
        (TEMPLATE, "in-process:", None),
        (TEMPLATE, "host:1", None),
        (TEMPLATE, "dns:///in-process:a", None),
        (TEMPLATE, "", None),
        (IN_CLUSTER, IN_CLUSTER.replace("{name}", "a-b"), "a-b"),
        (IN_CLUSTER, IN_CLUSTER.replace("{name}", ""), None),
        (IN_CLUSTER, IN_CLUSTER.replace("{name}", "a") + "0", None),
        (IN_CLUSTER, "dns:///other-adapter-a.ns.svc.cluster.local:50051", None),
        (IN_CLUSTER, "in-process:a", None),
        ("a{name}a", "a", None),
    ],
)
def test_an_address_names_its_candidate(template: str, address: str, candidate: str | None) -> None:
    assert LocalAddresses(template).candidate_at(address) == candidate
