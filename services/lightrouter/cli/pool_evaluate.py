"""`lightrouter pool evaluate`: asks the candidates a validation set, and decides which may answer."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from lightrouter.answers.scoring import SCORERS
from lightrouter.cli import access, client, pool_states, poolstore, values
from lightrouter.cli.access import Access
from lightrouter.cli.adapters import adapters
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.text import printable
from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.diversity import LEAST_GAIN
from lightrouter.evaluator.evaluation import End, Outcome
from lightrouter.evaluator.journal import JournalError
from lightrouter.evaluator.run import NothingToEvaluateError, Report, Settings, evaluate
from lightrouter.recording import prompts
from lightrouter.recording.prompts import Asked, PromptsError
from lightrouter.runtime.otlptarget import TargetError, target
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.telemetry.logs import send_logs
from lightrouter.runtime.telemetry.metrics import otlp_reader
from lightrouter.runtime.telemetry.setup import Telemetry, otlp_spans
from lightrouter.v1.router_pb2 import ListCandidatesRequest

# A choice: an evaluation takes minutes.
_METRICS_SECONDS: Final = 60.0
_DESCRIPTION: Final = """\
Asks the candidates the prompts of a validation set, in random order, until it is certain about each: a candidate that
is credibly worse than the pool needs is evicted, a credibly good one is admitted, an evicted one can return. Easy
decisions take few prompts. The router obeys within seconds, without a restart.

The pool needs the quality of its MINIMUM-th best candidate minus MARGIN, or FLOOR if that is given. Over the whole
evaluation, the probability of any wrong eviction or readmission is at most ERROR-RATE.

A prompt that a candidate fails to answer scores 0. A candidate whose provider is clearly down keeps its state, and is
named.

Its cost is bounded: each call is reserved at its maximum, with its adapter's retries, before it is made. If it is
killed or its budget is spent, the same command resumes it; no answer is bought twice. A second evaluation at the same
time says so and ends.
"""

_EPILOG: Final = """\
examples:
  lightrouter pool evaluate --pool pool.yaml --set validation.jsonl --max-cost 0.50
  lightrouter pool evaluate --namespace models --set validation.jsonl --adapter-address 'dns:///adapter-{name}:50051'

a validation set is JSON lines, gzip too, as `lightrouter record` takes them:
  {"id": "q1", "category": "law", "prompt": "... A) ... B) ...", "task": "choice", "answer": "B"}
  {"id": "q2", "prompt": "What is 17 * 23?", "task": "numeric", "answer": 391}
  {"id": "q3", "prompt": "Why is the sky blue?", "task": "judge", "reference": "Because ..."}
tasks: exact, choice, numeric, pattern, schema, judge
"""
_NANO: Final = 10**9
# A choice: the router answers from memory, so a longer wait means a fault.
_ROUTER_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `evaluate`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    poolstore.add_arguments(parser)
    parser.add_argument("--set", type=Path, required=True, metavar="FILE", help="the validation set, JSON lines")
    parser.add_argument("--task", choices=tuple(SCORERS), help="the task of lines that have an answer and name none")
    parser.add_argument("--judge", metavar="NAME", help="the judge, with --namespace; a pool file names its own")
    parser.add_argument("--json", action="store_true", help="print the current states as JSON")
    budget = parser.add_argument_group("budget")
    budget.add_argument("--max-cost", type=values.budget, default=_NANO, metavar="USD", help="US dollars; default: 1")
    budget.add_argument("--max-tokens", type=values.count, metavar="N", help="input and output; default: no bound")
    budget.add_argument("--max-seconds", type=values.seconds, default=3600.0, metavar="S", help="default: 3600")
    budget.add_argument("--concurrency", type=values.count, default=8, metavar="N", help="calls at once; default: 8")
    budget.add_argument(
        "--call-seconds", type=values.seconds, default=120.0, metavar="S", help="of a call; default: 120"
    )
    budget.add_argument("--max-output-tokens", type=values.count, default=1024, metavar="N", help="default: 1024")
    rules = parser.add_argument_group("rules")
    rules.add_argument("--margin", type=values.share, default=0.2, metavar="X", help="default: 0.2")
    rules.add_argument("--floor", type=values.share, metavar="X", help="required quality, instead of the margin")
    rules.add_argument(
        "--minimum", type=values.count, default=2, metavar="N", help="admitted candidates to keep; default: 2"
    )
    rules.add_argument("--error-rate", type=values.share, default=0.05, metavar="X", help="default: 0.05")
    rules.add_argument(
        "--least-gain",
        type=values.share,
        default=LEAST_GAIN,
        metavar="X",
        help=f"gain in quality at which a second draft is worth its cost; default: {LEAST_GAIN}",
    )
    rules.add_argument(
        "--until-diverse",
        action="store_true",
        help="keep asking, within the budget, until a second draft is certain to be worth its cost or not; if not, the "
        "router lets one candidate go on",
    )
    how = parser.add_argument_group("run")
    how.add_argument(
        "--router",
        metavar="HOST:PORT",
        help="router whose drifted candidates are evaluated first; in a cluster their status names them",
    )
    how.add_argument(
        "--seed", type=values.seed, metavar="N", help="of the prompts' order and the sampling; default: a new one"
    )
    how.add_argument(
        "--journal", type=Path, metavar="FILE", help="default: beside the pool file, or NAMESPACE.evaluation.jsonl"
    )
    how.add_argument(
        "--adapter-address",
        metavar="TARGET",
        help="gRPC target of the adapters, with {name}; default with --pool: they are started for the run",
    )
    access.add_tls_arguments(how)
    how.add_argument("--otlp", metavar="URL", help="OTLP endpoint for traces and metrics; default: OTEL_..., else none")
    how.add_argument("--log-format", choices=("console", "json"), default="console", help="default: console")
    parser.set_defaults(act=_run)


def _run(arguments: argparse.Namespace) -> ExitCode:
    send_logs("evaluator", "info", arguments.log_format)
    if arguments.pool and arguments.judge:
        raise CommandError("--judge is for --namespace; the pool file names its judge", ExitCode.USAGE)
    if arguments.namespace and not arguments.adapter_address:
        raise CommandError("--adapter-address is required with --namespace", ExitCode.USAGE)
    try:
        validation_set = prompts.read(arguments.set, arguments.task, scored=True)
        return asyncio.run(_evaluate(arguments, validation_set))
    except PromptsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except (NothingToEvaluateError, JournalError) as error:
        raise CommandError(str(error)) from None


async def _evaluate(arguments: argparse.Namespace, validation_set: Sequence[Asked]) -> ExitCode:
    # SIGTERM, which a cluster sends, acts like Ctrl-C: adapters end, and the journal keeps the bought answers.
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        report = await _reported(arguments, validation_set)
    except asyncio.CancelledError:
        raise CommandError("ended before it was finished; the same command resumes it") from None
    if arguments.json:
        pool_states.print_json(report.held)
    else:
        pool_states.print_status(report.held)
    sys.stderr.write(f"{_summary(report)}\n")
    return _exit_code(report.outcome)


async def _reported(arguments: argparse.Namespace, validation_set: Sequence[Asked]) -> Report:
    telemetry = _telemetry(arguments.otlp)
    channels = Channels(tls=access.tls_from(arguments))
    try:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(poolstore.store_of(arguments, arguments.judge))
            address = arguments.adapter_address or await stack.enter_async_context(adapters(arguments.pool))
            settings = replace(_settings(arguments, validation_set, address), first=await _drifted(arguments))
            return await evaluate(store, ModelClient(channels), settings, Announcer(telemetry.meter), telemetry.tracer)
    finally:
        await channels.close()
        telemetry.shutdown()


async def _drifted(arguments: argparse.Namespace) -> frozenset[str]:
    """Returns the candidates that the router has on probation for drift; none if it cannot be reached."""
    if arguments.router is None:
        return frozenset()
    reached = Access(arguments.router, access.tls_from(arguments))
    try:
        async with client.router(reached) as stub:
            listed = await stub.ListCandidates(ListCandidatesRequest(), timeout=_ROUTER_SECONDS)
    except CommandError as error:
        _log.warning("the router's drifted candidates are unknown: %s", error)
        return frozenset()
    return frozenset(status.candidate.name for status in listed.candidates if status.traffic.drift)


def _settings(arguments: argparse.Namespace, validation_set: Sequence[Asked], address: str) -> Settings:
    beside = arguments.pool.with_name(f"{arguments.pool.stem}.evaluation.jsonl") if arguments.pool else None
    return Settings(
        prompts=validation_set,
        journal=arguments.journal or beside or Path(f"{arguments.namespace}.evaluation.jsonl"),
        new_run=lambda: (secrets.token_hex(6), secrets.randbits(31)),
        adapter_address=address,
        rules=Rules(
            arguments.error_rate,
            arguments.margin,
            arguments.floor,
            arguments.minimum,
            arguments.least_gain,
            arguments.until_diverse,
        ),
        limits=Limits(arguments.max_cost, arguments.max_tokens, arguments.max_seconds, arguments.concurrency),
        seed=arguments.seed,
        max_output_tokens=arguments.max_output_tokens,
        call_seconds=arguments.call_seconds,
    )


def _telemetry(endpoint: str | None) -> Telemetry:
    try:
        spans = target("traces", endpoint, None, os.environ)
        metrics = target("metrics", endpoint, None, os.environ)
    except TargetError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    reader = otlp_reader(metrics, _METRICS_SECONDS, lambda: None) if metrics else None
    return Telemetry("lightrouter-evaluator", otlp_spans(spans), reader=reader)


def _summary(report: Report) -> str:
    money = Decimal(report.spent.nanousd) / _NANO
    outcome = report.outcome
    went = "went on and is over" if report.resumed else "is over"
    spent = f"{report.spent.tokens:,} tokens and ${money:f}"
    parts = [f"evaluation {report.run} (seed {report.seed}) {went}: {outcome.end}; it took {spent}"]
    parts += [f"{outcome.judge_fault}; name another judge, and the same command resumes"] if outcome.judge_fault else []
    parts += [f"{change.candidate}: {change.before} -> {change.after.state}" for change in report.changes]
    for name in sorted(outcome.unreached):
        scores = outcome.scores[name]
        why = f" ({len(scores.held)} prompts in a row failed: {scores.failure})" if scores.held else ""
        parts.append(f"{name} did not answer and keeps its state{why}")
    if not any(scores.tally.seen for scores in outcome.scores.values()):
        parts.append("no candidate has a score")
    return printable("\n".join(parts))


def _exit_code(outcome: Outcome) -> ExitCode:
    """Returns FAILED if no candidate was scored, or the judge cannot be used."""
    judged = any(scores.tally.seen for scores in outcome.scores.values())
    return ExitCode.OK if judged and outcome.end is not End.UNREADABLE else ExitCode.FAILED
