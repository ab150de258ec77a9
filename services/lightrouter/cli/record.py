"""`lightrouter record`: records the answers of every candidate of a pool."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import grpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lightrouter.answers.scoring import SCORERS
from lightrouter.cli import access, client, values
from lightrouter.cli.access import Access
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.suite import SuiteOptions
from lightrouter.cli.text import log, printable
from lightrouter.pool import file
from lightrouter.recording import prompts
from lightrouter.recording.load import RecordingError
from lightrouter.recording.prompts import Asked, PromptsError
from lightrouter.recording.recorder import OtherRecordingError, Recorded, Recorder, RecordingInUseError, able
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, ListCandidatesRequest, Prompt

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

_DESCRIPTION: Final = """\
Asks every candidate of a router for its whole answer to each prompt, and records the answers with tokens, money and
time: for `lightrouter up --replay`, to train a selector, to compare ways to route.

PROMPTS is JSON lines: `prompt` or `messages`, and optionally `id`, `category`, `task` (exact, choice, numeric, pattern,
schema) and `answer`; a validation set or a recording works too. Answers to a prompt with a task get a score, 0 to 1, as
`quality`.

A run that ends early loses nothing. The same command resumes it, asks only for missing answers, those of new candidates
included, and rescores all answers: you may correct answers and tasks. With --score-only it makes no calls.
"""

_EPILOG: Final = """\
examples:
  lightrouter record prompts.jsonl --out recorded.jsonl.gz
  lightrouter record prompts.jsonl --out recorded.jsonl --pool pool.yaml --concurrency 4
  lightrouter record exam.jsonl --out exam.rec.jsonl --task choice --candidates fast,careful
  lightrouter record recorded.jsonl --out recorded.jsonl --task numeric --score-only
"""
# A choice: the router answers from memory, so a longer wait means a fault.
_LIST_S: Final = 10.0
# A choice: enough to see what fails; the rest is only counted.
_MOST_FAILURES_SHOWN: Final = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `record`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("prompts", type=Path, metavar="PROMPTS", help="the prompts, JSON lines, gzip too")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the recording; .gz compresses it")
    parser.add_argument("--pool", type=Path, metavar="FILE", help="start a suite with this pool file for the run")
    access.add_arguments(parser)
    parser.add_argument("--candidates", metavar="A,B", help="names of the candidates; default: all that may answer")
    parser.add_argument("--task", choices=tuple(SCORERS), help="the task of lines that have an answer and name none")
    parser.add_argument("--score-only", action="store_true", help="rescore the answers in --out, without calls")
    parser.add_argument("--max-output-tokens", type=values.count, default=2048, metavar="N", help="default: 2048")
    parser.add_argument("--concurrency", type=values.count, default=8, metavar="N", help="calls at once; default: 8")
    parser.add_argument("--timeout", type=values.seconds, default=120.0, metavar="S", help="of a call; default: 120")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Records the missing answers."""
    if arguments.pool and arguments.address:
        raise CommandError("--pool starts its own suite; --address is for a running one", ExitCode.USAGE)
    try:
        asked = prompts.read(arguments.prompts, arguments.task)
        if arguments.score_only:
            return _score(arguments.out, asked)
        with Recorded(arguments.out, asked) as recorded:
            return asyncio.run(_record(arguments, asked, recorded))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; the same command resumes it\n")
        return ExitCode.INTERRUPTED
    except (PromptsError, RecordingError, OtherRecordingError, RecordingInUseError) as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except OSError as error:
        raise CommandError(f"{arguments.out} cannot be written: {error.strerror}", ExitCode.USAGE) from None


def _score(out: Path, asked: Sequence[Asked]) -> ExitCode:
    if not out.exists():
        raise CommandError(f"{out} does not exist; run without --score-only first", ExitCode.USAGE)
    if not any(each.scorer for each in asked):
        raise CommandError("no prompt says how to score its answers: give `task`, or --task", ExitCode.USAGE)
    with Recorded(out, asked) as recorded:
        recorded.save()
    return _report(out, recorded, [])


async def _record(arguments: argparse.Namespace, asked: Sequence[Asked], recorded: Recorded) -> ExitCode:
    async with AsyncExitStack() as stack:
        reached = await _reached(arguments, stack)
        stub = await stack.enter_async_context(client.router(reached))
        candidates = await _candidates(stub, reached, arguments.candidates)

        async def ask(prompt: Prompt) -> Answer:
            request = CompleteRequest(prompt=prompt)
            try:
                call = stub.Complete(request, timeout=arguments.timeout, metadata=reached.metadata)
                return (await call).answer
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from None

        entries = _entries(arguments.pool)
        recorder = Recorder(ask, recorded, arguments.concurrency, arguments.max_output_tokens, entries)
        try:
            with _progress_bar() as bar:
                task = bar.add_task("recording", total=len(asked) * len(candidates))
                await recorder.record(asked, candidates, lambda: bar.advance(task))
        except ServiceError as error:
            raise client.failure(error, reached) from None
    recorded.save()
    return _report(arguments.out, recorded, recorder.failures)


async def _reached(arguments: argparse.Namespace, stack: AsyncExitStack) -> Access:
    """Returns the running router, or that of a suite started for the run."""
    if not arguments.pool:
        return access.access_from(arguments)
    # Imported here, because the suite costs a second, which --help and a running router need not pay.
    from lightrouter.cli.oneprocess import OneProcess

    suite = await stack.enter_async_context(OneProcess(SuiteOptions("127.0.0.1:0", arguments.pool), log))
    return Access(await suite.start())


def _entries(path: Path | None) -> dict[str, str]:
    """Returns the version of each entry of a pool file; empty without a pool file."""
    return {name: entry.version for name, entry in file.load(path).entries.items()} if path else {}


async def _candidates(stub: RouterServiceAsyncStub, reached: Access, wanted: str | None) -> list[Candidate]:
    listed = await stub.ListCandidates(ListCandidatesRequest(), timeout=_LIST_S, metadata=reached.metadata)
    there = [status.candidate for status in listed.candidates]
    names = [name.strip() for name in wanted.split(",")] if wanted else []
    candidates = able(there, names)
    if missing := sorted(set(names) - {candidate.name for candidate in candidates}):
        known = ", ".join(candidate.name for candidate in able(there, ()))
        raise CommandError(f"--candidates: {', '.join(missing)} may not answer; these may: {known}", ExitCode.USAGE)
    if not candidates:
        raise CommandError("the pool has no candidate that may answer")
    return candidates


def _progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _report(out: Path, recorded: Recorded, failures: Sequence[str]) -> ExitCode:
    for model, scores in recorded.qualities().items():
        sys.stderr.write(f"{printable(model)}: quality {fmean(scores):.3f} over {len(scores)} responses\n")
    for failure in failures[:_MOST_FAILURES_SHOWN]:
        sys.stderr.write(f"missing: {printable(failure)}\n")
    sys.stdout.write(f"{out}\n")
    if failures:
        raise CommandError(f"{len(failures)} responses are missing; the same command asks for them again")
    return ExitCode.OK
