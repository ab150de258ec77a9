"""The examples ask, stream, use a tool and read an error through the suite, over upstreams that misbehave."""

from __future__ import annotations

import asyncio
import importlib
import os
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.authority import Authority
from tests.clients import programs, toolchain
from tests.clients.agents import CITIES, MISTAKES, REPORT, RESULTS, SHAPES, USES, agent, arguments, says, thinker
from tests.clients.programs import Program
from tests.readme import DOCS, lines
from tests.suite.rig import entry, one_process
from tests.upstreams.behaviours import hang_up, status
from tests.upstreams.dialects import AnthropicDialect, Dialect, GeminiDialect
from tests.upstreams.upstream import Upstream

# The first run fetches and compiles the libraries of each language, within the time of its first test.
pytestmark = pytest.mark.timeout(600)
NONE: Mapping[str, object] = MappingProxyType({})


class Said(NamedTuple):
    """What an example printed, and how it exited."""

    lines: list[str]
    errors: str
    code: int


@pytest.fixture(scope="session", params=programs.MAKERS)
def program(request: pytest.FixtureRequest) -> Program:
    """An example, built."""
    return programs.MAKERS[request.param]()


@asynccontextmanager
async def suite_of(
    folder: Path, *upstreams: Upstream, provider: str = "openai", settings: Mapping[str, object] = NONE
) -> AsyncIterator[str]:
    """Runs a suite with a candidate for each upstream, named a, b, c, d; yields its address."""
    async with AsyncExitStack() as stack:
        for each in upstreams:
            await stack.enter_async_context(each)
        entries = [
            entry(name, each.base_url, provider=provider, prior=0.9 - at / 10)
            for at, (name, each) in enumerate(zip("abcd", upstreams, strict=False))
        ]
        choices = {"selector": "prior", "k": 3, "boot_grace_seconds": 60}
        router = {"listen": "127.0.0.1:0", **choices, **settings}
        suite = await stack.enter_async_context(one_process(folder, *entries, router=router))
        yield suite.servers["router"].address


async def run(command: Sequence[str], address: str, **environment: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=programs.CHECKOUT,
        env={**os.environ, **programs.ENVIRONMENT, "LIGHTROUTER_ADDRESS": address, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return Said(output.decode().splitlines(), errors.decode(), process.returncode)


def check(said: Said, *calls: str, report: str) -> None:
    """Checks that an example got two answers, one with these calls of a tool, and an error with its details."""
    assert said.code == 0, said
    assert said.lines.count(USES) == 2
    # A provider may send arguments as an object, whose text is the adapter's.
    assert [without_spaces(line) for line in said.lines if line.startswith("get_")] == list(map(without_spaces, calls))
    assert report in said.lines
    written = [line.removeprefix("by ").partition(" for $") for line in said.lines if line.startswith("by ")]
    assert len(written) == 3
    assert all(set(names.split(", ")) <= set("abcd") and float(cost) > 0 for names, _, cost in written)
    reason, field = (line.strip() for line in said.lines if line.startswith("  "))
    assert reason == "reason INVALID_REQUEST"
    assert field.startswith("field prompt.sampling.temperature: ")


def without_spaces(text: str) -> str:
    return text.replace(" ", "")


CALLS = [f"get_weather {arguments(city)}: {result}" for city, result in zip(CITIES, RESULTS, strict=True)]
TOLD = REPORT + " ".join(RESULTS)


async def test_the_command_of_the_documents_runs_it_with_tls_and_a_token(program: Program, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, key = authority.issue("server")
    (make,) = (line for line in lines(DOCS / "how-to" / "secure.md") if line.startswith("python"))
    token, line = toolchain.run(shlex.split(make), environment=programs.ENVIRONMENT).splitlines()
    tokens = tmp_path / "tokens"
    tokens.write_text(line)
    settings = {"tls_cert_file": certificate, "tls_key_file": key, "tokens_file": tokens}
    environment = {"LIGHTROUTER_TLS_CA_FILE": str(authority.file), "LIGHTROUTER_TOKEN": token}
    async with suite_of(tmp_path, Upstream(agent(SHAPES["pieces"])), settings=settings) as address:
        check(await run(shlex.split(program.printed), address, **environment), *CALLS, report=TOLD)


async def test_calls_of_every_shape_are_run(program: Program, tmp_path: Path) -> None:
    async with suite_of(tmp_path, Upstream(agent(*SHAPES.values()))) as address:
        check(await run(program.command, address), *CALLS * len(SHAPES), report=TOLD)


async def test_two_fail_and_one_writes_text_in_place_of_a_call(program: Program, tmp_path: Path) -> None:
    upstreams = [Upstream(each) for each in (status(500), agent(SHAPES["interleaved"]), says(USES), hang_up)]
    async with suite_of(tmp_path, *upstreams) as address:
        said = await run(program.command, address)
    told = [any(RESULTS[0].encode() in request.raw for request in upstream.requests) for upstream in upstreams]
    assert told == [False, True, False, False]
    check(said, *CALLS, report=TOLD)
    assert any(line.startswith("degraded: ") for line in said.lines)


@pytest.mark.parametrize("dialect", [AnthropicDialect(), GeminiDialect()], ids=lambda each: each.provider)
async def test_what_a_model_needs_to_go_on_comes_back_to_it(program: Program, dialect: Dialect, tmp_path: Path) -> None:
    async with suite_of(tmp_path, Upstream(thinker(dialect)), provider=dialect.provider) as address:
        check(await run(program.command, address), *CALLS, report=TOLD)


async def test_a_mistaken_call_is_told_to_the_model(program: Program, tmp_path: Path) -> None:
    async with suite_of(tmp_path, Upstream(agent(*MISTAKES, SHAPES["null ids"]))) as address:
        said = await run(program.command, address)
    first = f"get_time {arguments('Oslo')}: error: there is no tool get_time"
    second = "get_weather Oslo: error: the arguments must be a JSON object with city"
    check(said, first, second, *CALLS, report=TOLD)


async def test_a_failure_is_explained(program: Program, tmp_path: Path) -> None:
    async with suite_of(tmp_path, Upstream(status(500))) as address:
        said = await run(program.command, address)
    assert said.code == 1
    assert "reason ALL_CANDIDATES_FAILED" in said.errors
    assert "reason UPSTREAM_ERROR" in said.errors


def test_protoc_writes_all_that_a_client_in_csharp_needs() -> None:
    files = {Path(name).stem for name in imported("lightrouter/v1/router.proto")}
    assert {stem.title().replace("_", "") + ".cs" for stem in files} <= programs.csharp()


def imported(name: str) -> set[str]:
    """Returns a proto of this project, and those that it imports."""
    module = importlib.import_module(name.replace("/", ".").removesuffix(".proto") + "_pb2")
    names = (file.name for file in module.DESCRIPTOR.dependencies if file.name.startswith("lightrouter/"))
    return {name}.union(*map(imported, names))
