"""The benchmark's tables, made from proxies that answer, fail and hang up; nothing is timed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.load import bench, marks, peer, report
from tests.load.load import Sample, Target
from tests.load.processes import Group, Memory, free_port
from tests.load.report import Level, Outcome

_WARM_UP = 201
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 7\r\n\r\nno luck"

Reply = Callable[[int, int], bytes]
"""Returns the reply to a call, by its number in all and on its connection, both from 1; empty to hang up."""

_REPLIES: dict[str, Reply] = {
    "answers": lambda call, here: _OK,
    "closes kept connections": lambda call, here: _OK if here == 1 else b"",
    "fails from the first call on": lambda call, here: _FAILED,
    "fails under load": lambda call, here: _OK if call <= _WARM_UP else _FAILED,
    "hangs up under load": lambda call, here: _OK if call <= _WARM_UP else b"",
}


@asynccontextmanager
async def _proxy(title: str, reply: Reply) -> AsyncIterator[Target]:
    calls = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        here = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                calls, here = calls + 1, here + 1
                if not (sent := reply(calls, here)):
                    break
                writer.write(sent)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has closed its connection
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield Target(title, 1, Group({"it": psutil.Process()}), 1.0, lambda: peer.calling(root, {}))


async def test_a_side_that_fails_is_a_line_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "READY_SECONDS", 0.0)
    outcomes = {name: Outcome(name) for name in _REPLIES}
    async with AsyncExitStack() as stack:
        targets = {name: await stack.enter_async_context(_proxy(name, reply)) for name, reply in _REPLIES.items()}
        await bench.measure(outcomes, targets, duration=0, routes=0)
    failures = {name: outcome.failure for name, outcome in outcomes.items()}
    assert failures == {
        "answers": "",
        "closes kept connections": "",
        "fails from the first call on": "no call succeeded within 0 s: status 500: no luck",
        "fails under load": "at c=1: status 500: no luck",
        "hangs up under load": "at c=1: ServerDisconnectedError: Server disconnected",
    }
    lines = report.sides(outcomes.values()).splitlines()[2:]
    for line, (name, failure) in zip(lines, failures.items(), strict=True):
        assert line.startswith(f"| {name} ")
        assert f"failed: {failure}" in line if failure else "failed" not in line
    for name in ("answers", "closes kept connections"):
        assert set(outcomes[name].levels) == set(report.LEVELS)
        assert outcomes[name].rss_mb > 0


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        ([sys.executable, "-c", "pass"], "a proxy ended at once; its output is in"),
        (["/no/such/program"], "/no/such/program cannot be started: [Errno 2]"),
    ],
)
def test_a_side_that_cannot_be_started_is_a_line(command: list[str], failure: str, tmp_path: Path) -> None:
    program = peer.Program("a proxy", command, f"http://127.0.0.1:{free_port()}", "/")
    with ExitStack() as stack:
        outcomes, targets = bench.started({"proxy": partial(peer.running, program, tmp_path / "log")}, stack)
    assert not targets
    assert outcomes["proxy"].failure.startswith(failure)
    assert f"| failed: {failure}" in report.sides(outcomes.values())


def _outcome(title: str, seconds: float, model_calls: int, cpu: float, rss_mb: float) -> Outcome:
    sample = Sample([seconds] * 99 + [seconds * 3], wall=2.0, cpu={"a": cpu / 4, "b": cpu * 3 / 4})
    level = Level.of(sample, model_calls)
    return Outcome(title, 2.5, 1.25, rss_mb / 2, rss_mb, dict.fromkeys(report.LEVELS, level))


def test_the_tables_have_the_figures_and_the_marks() -> None:
    outcomes = {
        marks.ONE: _outcome("one process", 0.010, 8, 0.8, 155),
        marks.SERVICES: _outcome("services", 0.040, 8, 2.4, 1100),
        marks.FLOOR: _outcome("bare", 0.002, 8, 0.2, 60),
        marks.TRACED: _outcome("bare with spans", 0.004, 8, 0.4, 60),
        marks.LITELLM: _outcome("LiteLLM 1, one call", 0.016, 1, 1.0, 300),
        marks.PORTKEY: Outcome("portkey", failure="node is not there"),
    }
    half, last = {"a": Memory(100, 90), "b": Memory(119, 90)}, {"a": Memory(104, 90), "b": Memory(121, 90)}
    outcomes[marks.SERVICES].memory = [half, half, last]
    sides, reached, processes = (table.splitlines() for table in bench.tables(outcomes, 1000))
    rate = "1,000 / 1,000 / 1,000"
    assert [cell.strip() for cell in sides[2].split("|")[1:-1]] == [
        "one process",
        "10.0 / 10.0 / 10.0",
        "30.0 / 30.0 / 30.0",
        "8.00 / 8.00 / 8.00",
        "1.00 / 1.00 / 1.00",
        rate,
        "78, 155",
        "2.5, 1.2",
    ]
    assert "failed: node is not there" in sides[7]
    found = {cells[1].strip(): [cell.strip() for cell in cells[2:6]] for cells in (r.split("|") for r in reached[2:])}
    assert list(found.values()) == [
        ["0.333", "≤ 0.25", "NO", "0.167"],
        ["0.25", "≤ 0.333", "yes", "0.1"],
        ["155", "≤ 250", "yes", ""],
        ["2.5", "≤ 3", "yes", ""],
        ["0.625", "≤ 0.5", "NO", "0.25"],
        ["0.1", "≤ 0.05", "NO", "0.05"],
        ["0.3", "≤ 0.12", "NO", ""],
        ["not measured", "≥ 3", "", ""],
    ]
    assert [line.split("|")[-2].strip() for line in processes[2:]] == ["grows", "over 120 MB"]
