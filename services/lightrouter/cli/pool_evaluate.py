"""`lightrouter pool evaluate`: asks the candidates a validation set, and decides which may answer."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from lightrouter.answers.scoring import SCORERS
from lightrouter.cli import candidates, client, poolstore
from lightrouter.cli.access import Access, tls_files, tls_options
from lightrouter.cli.adapters import adapters
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import COUNT, SEED, SHARE, Decorator, Dollars, Duration, Url, command, option, output
from lightrouter.cli.poolstore import Home, home_options
from lightrouter.cli.text import printable
from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.evaluation import End, Outcome
from lightrouter.evaluator.journal import JournalError
from lightrouter.evaluator.run import NothingToEvaluateError, Report, Settings
from lightrouter.evaluator.run import evaluate as run
from lightrouter.recording.prompts import PromptsError, read
from lightrouter.runtime.otlptarget import TargetError, target
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.security.tls import TlsFiles
from lightrouter.runtime.telemetry.logs import send_logs
from lightrouter.runtime.telemetry.metrics import otlp_reader
from lightrouter.runtime.telemetry.setup import Telemetry, otlp_spans

_EXAMPLES: Final = """\
  lightrouter pool evaluate --set validation.jsonl --max-cost 0.50
  lightrouter pool evaluate --namespace models --set validation.jsonl --adapter-address 'dns:///adapter-{name}:50051'

A validation set is JSON lines, gzip too, as `lightrouter record` takes them:
  {"id": "q1", "category": "law", "prompt": "... A) ... B) ...", "task": "choice", "answer": "B"}
  {"id": "q2", "prompt": "What is 17 * 23?", "task": "numeric", "answer": 391}
  {"id": "q3", "prompt": "Why is the sky blue?", "task": "judge", "reference": "Because ..."}
Tasks: exact, choice, numeric, pattern, schema, judge
"""
_NANO: Final = 10**9
# A choice: an evaluation takes minutes.
_METRICS_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)
_RULES: Final = Rules()
T = TypeVar("T", Rules, Limits)


def _budget(*names: str, **settings: Any) -> Decorator:
    return option(*names, section="Budget", **settings)


def _rule(*names: str, **settings: Any) -> Decorator:
    return option(*names, section="Rules", **settings)


@command("evaluate", _EXAMPLES)
@option("--set", type=Path, required=True, help="the validation set, JSON lines")
@option("--task", type=click.Choice(tuple(SCORERS)), help="the task of lines that have an answer and name none")
@option("--judge", metavar="NAME", help="the judge, with --namespace; a pool file names its own")
@option("--seed", type=SEED, help="of the prompts' order and the sampling; default: a new one")
@option("--journal", type=Path, help="default: beside the pool file, or named after context and namespace")
@output(*candidates.FORMS)
@home_options
@_budget("--max-cost", "nanousd", type=Dollars(zero=True), default="1", help="US dollars")
@_budget("--max-tokens", "tokens", type=COUNT, help="input and output; default: no bound")
@_budget("--max-time", "seconds", type=Duration(), default="1h", help="of the evaluation")
@_budget("--concurrency", type=COUNT, default=8, help="calls at once")
@_budget("--call-timeout", "call_seconds", type=Duration(), default="2m", help="of a call")
@_budget("--max-output-tokens", type=COUNT, default=1024, help="of an answer")
@_rule("--margin", type=SHARE, default=_RULES.margin, help="how much worse than the MINIMUM-th best may be admitted")
@_rule("--floor", type=SHARE, help="required quality, instead of the margin")
@_rule("--minimum", type=COUNT, default=_RULES.minimum, help="admitted candidates to keep")
@_rule("--error-rate", type=SHARE, default=_RULES.error_rate, help="probability of any wrong decision")
@_rule(
    "--least-gain",
    type=SHARE,
    default=_RULES.least_gain,
    help="gain in quality at which a second draft is worth its cost",
)
@_rule(
    "--until-diverse",
    is_flag=True,
    help="keep asking, within the budget, until a second draft is certain to be worth its cost or not; if not, the "
    "router lets one candidate go on",
)
@option(
    "--router",
    metavar="HOST:PORT",
    section="Services",
    help="router whose drifted candidates are evaluated first; in a cluster their status names them",
)
@option(
    "--adapter-address",
    metavar="TARGET",
    section="Services",
    help="gRPC target of the adapters, with {name}; default with --pool: they are started for the run",
)
@option(
    "--otlp",
    type=Url(),
    section="Services",
    help="OTLP endpoint for traces and metrics; default: OTEL_..., else none",
)
@option("--log-format", type=click.Choice(("console", "json")), default="console", section="Services")
@tls_options
def evaluate(
    home: Home,
    output: str,
    judge: str | None,
    router: str | None,
    adapter_address: str | None,
    otlp: str | None,
    log_format: str,
    tls_ca_file: Path | None,
    tls_cert_file: Path | None,
    tls_key_file: Path | None,
    **given: Any,
) -> ExitCode:
    """Asks the candidates a validation set, and decides which may answer.

    The prompts come in random order, until it is certain about each candidate: one that is credibly worse than the
    pool needs is evicted, a credibly good one is admitted, an evicted one can return. Easy decisions take few prompts.
    The router obeys within seconds, without a restart.

    The pool needs the quality of its MINIMUM-th best candidate minus MARGIN, or FLOOR if that is given. Over the whole
    evaluation, the probability of any wrong eviction or readmission is at most ERROR-RATE.

    A prompt that a candidate fails to answer scores 0. A candidate whose provider is clearly down keeps its state, and
    is named.

    Its cost is bounded: each call is reserved at its maximum, with its adapter's retries, before it is made. If it is
    killed or its budget is spent, the same command resumes it; no answer is bought twice. A second evaluation at the
    same time says so and ends.
    """
    tls = tls_files(tls_ca_file, tls_cert_file, tls_key_file)
    send_logs("evaluator", "info", log_format)
    if home.file and judge:
        raise CommandError("--judge is for --namespace; the pool file names its judge", ExitCode.USAGE)
    if not home.file and not adapter_address:
        raise CommandError("--adapter-address is required with --namespace", ExitCode.USAGE)
    try:
        settings = Settings(
            prompts=read(given.pop("set"), given.pop("task"), scored=True),
            journal=given.pop("journal") or _usual_journal(home),
            new_run=lambda: (secrets.token_hex(6), secrets.randbits(31)),
            adapter_address=adapter_address or "",
            rules=_taken(Rules, given),
            limits=_taken(Limits, given),
            **given,
        )
        report = asyncio.run(_evaluated(settings, home, judge, router, tls, otlp))
    except PromptsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    except (NothingToEvaluateError, JournalError) as error:
        raise CommandError(str(error)) from None
    candidates.print_held(report.held, output)
    sys.stderr.write(f"{_summary(report)}\n")
    return _exit_code(report.outcome)


def _taken(kind: type[T], given: dict[str, Any]) -> T:
    """Takes the options that are fields of a dataclass out of `given`."""
    return kind(**{each.name: given.pop(each.name) for each in fields(kind)})


async def _evaluated(
    settings: Settings, home: Home, judge: str | None, router: str | None, tls: TlsFiles | None, otlp: str | None
) -> Report:
    # SIGTERM, which a cluster sends, acts like Ctrl-C: adapters end, and the journal keeps the bought answers.
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    telemetry = _telemetry(otlp)
    channels = Channels(tls=tls)
    try:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(poolstore.store_of(home, judge))
            address = settings.adapter_address
            if home.file and not address:
                address = await stack.enter_async_context(adapters(home.file))
            settings = replace(settings, adapter_address=address, first=await drifted(router, tls))
            return await run(store, ModelClient(channels), settings, Announcer(telemetry.meter), telemetry.tracer)
    except asyncio.CancelledError:
        raise CommandError("ended before it was finished; the same command resumes it") from None
    finally:
        await channels.close()
        telemetry.shutdown()


async def drifted(router: str | None, tls: TlsFiles | None) -> frozenset[str]:
    """Returns the candidates that a router has on probation for drift; none if it cannot be reached."""
    if router is None:
        return frozenset()
    try:
        listed = await client.listed(Access(router, tls))
    except CommandError as error:
        _log.warning("the router's drifted candidates are unknown: %s", error)
        return frozenset()
    return frozenset(status.candidate.name for status in listed.candidates if status.traffic.drift)


def _usual_journal(home: Home) -> Path:
    if home.file:
        return home.file.with_name(f"{home.file.stem}.evaluation.jsonl")
    # In a cluster the journal lies in the working folder.
    return Path(f"{'-'.join(filter(None, (home.context, home.namespace))) or 'cluster'}.evaluation.jsonl")


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
