import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from lightrouter.pool import file, statefile
from lightrouter.pool.choices import State
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import Pool
from lightrouter.pool.status import CandidateStatus
from tests.unit.pool.test_status import EVICTED

TIMEOUT_S = 600.0


def content(*names: str) -> str:
    return "candidates:\n" + "".join(f"  - {{name: {name}, base_url: http://h, model: m}}\n" for name in names)


class Watched:
    """A watched file and what became of its changes."""

    def __init__(self, path: Path) -> None:
        self.accepted: asyncio.Queue[Pool] = asyncio.Queue()
        self.refused: asyncio.Queue[PoolFileError] = asyncio.Queue()
        self.file = FileStore(path, self.accepted.put_nowait, self.refused.put_nowait)

    async def names(self) -> list[str]:
        return list((await asyncio.wait_for(self.accepted.get(), TIMEOUT_S)).entries)

    async def fault(self) -> str:
        return str(await asyncio.wait_for(self.refused.get(), TIMEOUT_S))


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Watched]:
    watched = Watched(path)
    task = asyncio.create_task(watched.file.watch())
    yield watched
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pool.yaml"
    path.write_text(content("a"))
    return path


async def test_a_saved_change_is_passed_on(path: Path) -> None:
    async with watching(path) as watched:
        path.write_text(content("a", "b"))
        assert await watched.names() == ["a", "b"]
        assert list(watched.file.pool.entries) == ["a", "b"]


async def test_another_order_is_a_change(path: Path) -> None:
    path.write_text(content("a", "b"))
    async with watching(path) as watched:
        path.write_text(content("b", "a"))
        assert await watched.names() == ["b", "a"]


async def test_an_editors_rename_is_seen(path: Path) -> None:
    async with watching(path) as watched:
        for name in ("b", "c"):
            other = path.with_suffix(".tmp")
            other.write_text(content(name))
            other.rename(path)
            assert await watched.names() == [name]


async def test_a_configmaps_symlink_swap_is_seen(tmp_path: Path) -> None:
    for version, name in (("..1", "a"), ("..2", "b"), ("..3", "c")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "pool.yaml").write_text(content(name))
    (tmp_path / "..data").symlink_to("..1")
    path = tmp_path / "pool.yaml"
    path.symlink_to("..data/pool.yaml")
    async with watching(path) as watched:
        for version, name in (("..2", "b"), ("..3", "c")):
            (tmp_path / "..data_tmp").symlink_to(version)
            (tmp_path / "..data_tmp").rename(tmp_path / "..data")
            assert await watched.names() == [name]


async def test_a_change_behind_a_link_to_another_folder_is_seen(tmp_path: Path) -> None:
    for folder in ("home", "first", "second"):
        (tmp_path / folder).mkdir()
    for folder in ("first", "second"):
        (tmp_path / folder / "pool.yaml").write_text(content(folder))
    path = tmp_path / "home" / "pool.yaml"
    path.symlink_to(tmp_path / "first" / "pool.yaml")
    async with watching(path) as watched:
        path.unlink()
        path.symlink_to(tmp_path / "second" / "pool.yaml")
        assert await watched.names() == ["second"]
        (tmp_path / "second" / "pool.yaml").write_text(content("third"))
        assert await watched.names() == ["third"]


async def test_a_broken_file_is_refused_and_the_last_good_pool_stays(path: Path) -> None:
    async with watching(path) as watched:
        path.write_text(content("a").replace("http://h", "h"))
        assert (await watched.fault()).startswith(f"{path}:2: candidates[0].base_url: must be an http or https URL")
        assert list(watched.file.pool.entries) == ["a"]
        path.write_text(content("b"))
        assert await watched.names() == ["b"]


async def test_a_file_that_is_gone_is_refused_and_may_come_back(path: Path) -> None:
    async with watching(path) as watched:
        path.unlink()
        assert "No such file" in await watched.fault()
        path.write_text(content("b"))
        assert await watched.names() == ["b"]


REPLACED: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "No such file"),
    "an empty file": (lambda path: path.write_bytes(b""), "must be a mapping"),
    "zeros": (lambda path: path.write_bytes(bytes(100)), "does not allow"),
    "half of a file": (lambda path: path.write_text(content("b")[:20]), "not valid YAML"),
    "no text": (lambda path: path.write_bytes(b"\xff" * 100), "not UTF-8"),
    "too much": (lambda path: path.write_bytes(b"#" * 2_000_000), "larger than"),
    "a folder": (lambda path: path.mkdir(), "Is a directory"),
    "a link to nothing": (lambda path: path.symlink_to("gone"), "No such file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "a pipe": (os.mkfifo, "a pipe or a device"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
}


@pytest.mark.parametrize(("replace", "fault"), REPLACED.values(), ids=REPLACED)
async def test_whatever_stands_in_its_place_the_last_good_pool_stays(
    path: Path, replace: Callable[[Path], object], fault: str
) -> None:
    watched = Watched(path)
    path.unlink()
    replace(path)
    await watched.file.refresh()
    assert fault in await watched.fault()
    await watched.file.refresh()
    assert watched.refused.empty()
    assert list(watched.file.pool.entries) == ["a"]
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(content("b"))
    await watched.file.refresh()
    assert await watched.names() == ["b"]


async def test_a_change_that_changes_nothing_is_not_passed_on(path: Path) -> None:
    watched = Watched(path)
    path.write_text("# a comment\n" + content("a"))
    await watched.file.refresh()
    assert watched.accepted.empty()
    assert watched.refused.empty()


async def test_a_fault_is_told_once(path: Path) -> None:
    watched = Watched(path)
    for text in ("[", "[ ", content("a")):
        path.write_text(text)
        await watched.file.refresh()
        await watched.file.refresh()
    assert watched.refused.qsize() == 1


async def test_a_file_that_is_gone_again_is_told_again(path: Path) -> None:
    watched, text = Watched(path), path.read_text()
    for _ in range(2):
        path.unlink()
        await watched.file.refresh()
        await watched.file.refresh()
        path.write_text(text)
        await watched.file.refresh()
    assert watched.refused.qsize() == 2
    assert watched.accepted.empty()


async def test_a_refusal_without_a_listener_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = FileStore(path, lambda pool: None)
    path.write_text("[")
    await watched.refresh()
    assert f"{path}:1: not valid YAML" in caplog.text


def test_a_file_that_is_broken_from_the_start_is_refused(path: Path) -> None:
    path.write_text("[")
    with pytest.raises(PoolFileError, match="not valid YAML"):
        Watched(path)


async def test_a_verdict_in_the_state_file_is_passed_on(path: Path) -> None:
    states = statefile.state_path(path)
    async with watching(path) as watched:
        statefile.amend(states, {"a": EVICTED})
        pool = await asyncio.wait_for(watched.accepted.get(), TIMEOUT_S)
        assert pool.entries["a"].state is State.EVICTED
        assert pool.evaluations["a"].score == pytest.approx(0.6)
        path.write_text(content("a", "b"))
        pool = await asyncio.wait_for(watched.accepted.get(), TIMEOUT_S)
        assert [entry.state for entry in pool.entries.values()] == [State.EVICTED, State.ADMITTED]
        states.unlink()
        pool = await asyncio.wait_for(watched.accepted.get(), TIMEOUT_S)
        assert pool.entries["a"].state is State.ADMITTED


async def test_the_last_states_hold_if_the_state_file_is_broken(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    states = statefile.state_path(path)
    statefile.amend(states, {"a": EVICTED})
    watched = Watched(path)
    assert watched.file.pool.entries["a"].state is State.EVICTED
    states.write_text("{")
    await watched.file.refresh()
    assert watched.file.pool.entries["a"].state is State.EVICTED
    assert "is not a state file" in caplog.text


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads that parse pool files."""
    real, found = file.parse, list[threading.Thread]()

    def parse(data: bytes, path: Path) -> Pool:
        found.append(threading.current_thread())
        return real(data, path)

    monkeypatch.setattr(file, "parse", parse)
    return found


async def test_a_changed_file_is_read_beside_the_event_loop(path: Path, threads: list[threading.Thread]) -> None:
    async with watching(path) as watched:
        threads.clear()
        path.write_text(content("a", "b"))
        assert await watched.names() == ["a", "b"]
        path.write_text("candidates: 3")
        assert "must be a list" in await watched.fault()
        assert len(threads) >= 2
        assert threading.main_thread() not in threads


@pytest.mark.parametrize("ask", [lambda store: store.read(), lambda store: store.update(lambda _: {})])
async def test_a_store_that_is_asked_reads_beside_the_event_loop(
    path: Path, threads: list[threading.Thread], ask: Callable[[FileStore], Awaitable[object]]
) -> None:
    store = FileStore(path)
    threads.clear()
    await ask(store)
    assert threads
    assert threading.main_thread() not in threads


async def test_the_states_are_written_beside_the_event_loop_and_locked_until_they_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, writes, may_write = statefile.amend, threading.Event(), threading.Event()
    writers: list[threading.Thread] = []

    def amend(states: Path, statuses: Mapping[str, CandidateStatus]) -> None:
        writers.append(threading.current_thread())
        writes.set()
        assert may_write.wait(TIMEOUT_S)
        real(states, statuses)

    monkeypatch.setattr(statefile, "amend", amend)
    store, states = FileStore(path), statefile.state_path(path)
    update = asyncio.create_task(store.update(lambda _: {"a": EVICTED}))
    assert await asyncio.to_thread(writes.wait, TIMEOUT_S)
    update.cancel()
    with suppress(asyncio.CancelledError):
        await update
    with pytest.raises(statefile.LockedError), statefile.locked(states, "another writer"):
        pass
    may_write.set()
    await FileStore(path).update(lambda _: {})
    assert statefile.load(states)["a"] == EVICTED
    assert threading.main_thread() not in writers
