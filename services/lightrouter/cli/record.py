"""`lightrouter record`: records the answers of every candidate of a pool."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import click
import grpc
from click.core import ParameterSource

from lightrouter.answers.scoring import SCORERS
from lightrouter.cli import client
from lightrouter.cli.access import Access, access_options
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import COUNT, Duration, Names, argument, command, option
from lightrouter.cli.steps import Steps
from lightrouter.cli.suite import SuiteOptions
from lightrouter.cli.text import log, printable
from lightrouter.pool import file
from lightrouter.recording.load import RecordingError
from lightrouter.recording.prompts import Asked, PromptsError, read
from lightrouter.recording.recorder import OtherRecordingError, Recorded, Recorder, RecordingInUseError, able
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, ListCandidatesRequest, Prompt

_EXAMPLES: Final = """\
  lightrouter record prompts.jsonl --out recorded.jsonl.gz
  lightrouter record prompts.jsonl --out recorded.jsonl --pool pool.yaml --concurrency 4
  lightrouter record exam.jsonl --out exam.rec.jsonl --task choice --candidates fast,careful
  lightrouter record recorded.jsonl --out recorded.jsonl --task numeric --score-only
"""
# A choice: enough to see what fails; the rest is only counted.
_MOST_FAILURES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class _Calls:
    """Which candidates are asked, and how."""

    pool: Path | None
    candidates: Sequence[str]
    max_output_tokens: int
    concurrency: int
    timeout: float


@command("record", _EXAMPLES)
@argument("prompts", "the prompts, JSON lines, gzip too", type=Path)
@option("--out", type=Path, required=True, help="the recording; .gz compresses it")
@option("--task", type=click.Choice(tuple(SCORERS)), help="the task of lines that have an answer and name none")
@option("--score-only", is_flag=True, help="rescore the answers in --out, without calls")
@option("--pool", type=Path, help="start a suite with this pool file for the run")
@option("--candidates", type=Names(), metavar="A,B", help="names of the candidates; default: all that may answer")
@option("--max-output-tokens", type=COUNT, default=2048, help="of an answer")
@option("--concurrency", type=COUNT, default=8, help="calls at once")
@option("--timeout", type=Duration(), default="2m", help="of a call")
@access_options
@click.pass_context
def record(
    ctx: click.Context, /, prompts: Path, out: Path, task: str | None, score_only: bool, reached: Access, **calls: Any
) -> ExitCode:
    """Records the answers of every candidate of a router to prompts.

    The answers are whole, with tokens, money and time: for `lightrouter up --replay`, to train a selector, to compare
    ways to route.

    PROMPTS is JSON lines: `prompt` or `messages`, and optionally `id`, `category`, `task` (exact, choice, numeric,
    pattern, schema) and `answer`; a validation set or a recording works too. Answers to a prompt with a task get a
    score, 0 to 1, as `quality`.

    A run that ends early loses nothing. The same command resumes it, asks only for missing answers, those of new
    candidates included, and rescores all answers: you may correct answers and tasks. With --score-only it makes no
    calls.
    """
    if calls["pool"] and ctx.get_parameter_source("address") is ParameterSource.COMMANDLINE:
        raise CommandError("--pool starts its own suite; --address is for a running one", ExitCode.USAGE)
    try:
        asked = read(prompts, task)
        if score_only:
            return _score(out, asked)
        with Recorded(out, asked) as recorded:
            return asyncio.run(_record(_Calls(**calls), reached, out, asked, recorded))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command resumes it\n")
        return ExitCode.INTERRUPTED
    except (PromptsError, RecordingError, OtherRecordingError, RecordingInUseError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def _score(out: Path, asked: Sequence[Asked]) -> ExitCode:
    if not out.exists():
        raise CommandError(f"{out} does not exist; run without --score-only first", ExitCode.USAGE)
    if not any(each.scorer for each in asked):
        raise CommandError("no prompt says how to score its answers: give `task`, or --task", ExitCode.USAGE)
    with Recorded(out, asked) as recorded:
        recorded.save()
    return _report(out, recorded, [])


async def _record(calls: _Calls, access: Access, out: Path, asked: Sequence[Asked], recorded: Recorded) -> ExitCode:
    async with AsyncExitStack() as stack:
        reached = await _started(calls.pool, stack) if calls.pool else access
        stub = await stack.enter_async_context(client.router(reached))
        listed = await stub.ListCandidates(ListCandidatesRequest(), timeout=client.ROUTER_S, metadata=reached.metadata)
        pool = [status.candidate for status in listed.candidates]
        candidates = _asked(pool, calls.candidates)

        async def ask(prompt: Prompt) -> Answer:
            request = CompleteRequest(prompt=prompt)
            try:
                return (await stub.Complete(request, timeout=calls.timeout, metadata=reached.metadata)).answer
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from None

        recorder = Recorder(ask, recorded, calls.concurrency, calls.max_output_tokens, _entries(calls.pool))
        try:
            with Steps("recording") as steps:
                steps.expect(len(asked) * len(candidates))
                await recorder.record(asked, candidates, steps.advance, pool)
        except ServiceError as error:
            raise client.failure(error, reached) from None
    recorded.save()
    return _report(out, recorded, recorder.failures)


async def _started(pool: Path, stack: AsyncExitStack) -> Access:
    """Returns the router of a suite started for the run."""
    # Imported here, because the suite costs a second, which --help and a running router need not pay.
    from lightrouter.cli.oneprocess import OneProcess

    suite = await stack.enter_async_context(OneProcess(SuiteOptions("127.0.0.1:0", pool), log))
    return Access(await suite.start())


def _entries(path: Path | None) -> dict[str, str]:
    """Returns the version of each entry of a pool file; empty without a pool file."""
    return {name: entry.version for name, entry in file.load(path).entries.items()} if path else {}


def _asked(pool: Sequence[Candidate], names: Sequence[str] | None) -> list[Candidate]:
    names = names or ()
    candidates = able(pool, names)
    if missing := sorted(set(names) - {candidate.name for candidate in candidates}):
        known = ", ".join(candidate.name for candidate in able(pool, ()))
        raise CommandError(f"--candidates: {', '.join(missing)} may not answer; these may: {known}", ExitCode.USAGE)
    if not candidates:
        raise CommandError("the pool has no candidate that may answer")
    return candidates


def _report(out: Path, recorded: Recorded, failures: Sequence[str]) -> ExitCode:
    for model, scores in recorded.qualities().items():
        sys.stderr.write(f"{printable(model)}: quality {fmean(scores):.3f} over {len(scores)} responses\n")
    for failure in failures[:_MOST_FAILURES_SHOWN]:
        sys.stderr.write(f"missing: {printable(failure)}\n")
    sys.stdout.write(f"{out}\n")
    if failures:
        raise CommandError(f"{len(failures)} responses are missing; the same command asks for them again")
    return ExitCode.OK
