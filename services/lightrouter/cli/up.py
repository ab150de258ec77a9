"""`lightrouter up`: the whole suite on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from lightrouter.cli.access import DEFAULT_ADDRESS
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import Number, Url, alone, command, option
from lightrouter.cli.places import POOL_VARIABLE, usual_pool
from lightrouter.cli.suite import Suite, SuiteOptions
from lightrouter.cli.text import log
from lightrouter.runtime import files

_EXAMPLES: Final = """\
  lightrouter up
  lightrouter up --replay recorded.jsonl.gz --pace
  lightrouter up --pool pool.yaml --listen 0.0.0.0:50051
  lightrouter up --artifact artifact                 what `lightrouter lab train` made of your recordings
  lightrouter up --otlp http://localhost:4317        traces to Jaeger or an OpenTelemetry Collector
"""
_CANDIDATES: Final = "Candidates"
_TELEMETRY: Final = "Telemetry"


@command("up", _EXAMPLES)
@option(
    "--pool",
    type=Path,
    section=_CANDIDATES,
    help=f"pool file; default: ${POOL_VARIABLE}, else ./pool.yaml if it is there, else the small local model",
)
@option("--local-model", is_flag=True, section=_CANDIDATES, help="the small local model, even beside a pool.yaml")
@option("--replay", type=Path, section=_CANDIDATES, help="recording whose models are the candidates")
@option("--pace", is_flag=True, section=_CANDIDATES, help="with --replay: take the recorded time")
@option("--listen", default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="router's address; port 0 picks a free one")
@option("--artifact", type=Path, metavar="DIR", help="artifact of the selector `learned`; default: the package's")
@option("--processes", is_flag=True, help="one process per service; default: one for all")
@option("--ready-file", type=Path, help="file that gets the router's address")
@option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error")),
    default="warning",
    section=_TELEMETRY,
    help="least level of logged lines",
)
@option("--otlp", type=Url(), section=_TELEMETRY, help="OTLP gRPC endpoint for traces, http://HOST:PORT; default: none")
@option("--sampling-ratio", type=Number(0, 1), default=1.0, section=_TELEMETRY, help="share of requests traced")
def up(
    pool: Path | None,
    local_model: bool,
    replay: Path | None,
    pace: bool,
    listen: str,
    artifact: Path | None,
    processes: bool,
    ready_file: Path | None,
    log_level: str,
    otlp: str | None,
    sampling_ratio: float,
) -> ExitCode:
    """Runs the whole suite on this machine until Ctrl-C.

    Router, selector, aggregator and an adapter for each candidate run in one process. With --processes each has its
    own, as in a cluster, and a service that dies is restarted. Without a pool file a small model (SmolLM2-135M,
    downloaded once) serves as three candidates.

    With --replay the candidates are the models of a recording (JSON lines, each with `id`, `prompt` and `responses`),
    which answer the recorded prompts with the recorded texts. Everything but the models is real; prices and priors are
    assumed.

    Candidates that you add to the pool file, change or remove take effect without a restart. Ctrl-C lets running calls
    finish and stops everything; a second one stops at once.
    """
    alone(pool=pool, local_model=local_model, replay=replay)
    if pace and not replay:
        raise CommandError("--pace is for --replay, which names the recording", ExitCode.USAGE)
    if artifact:
        check_artifact(artifact)
    if not (pool or local_model or replay) and (pool := usual_pool()):
        log(f"pool: {pool}")
    options = SuiteOptions(
        listen=listen,
        pool=pool,
        pool_text=replayed(replay, pace=pace) if replay else None,
        model=None if pool or replay else fetched_model(),
        log_level=log_level,
        otlp_endpoint=otlp,
        sampling_ratio=sampling_ratio,
        artifact=artifact,
    )
    # Imported here, because the suite costs a second, which other commands and --help need not pay.
    if processes:
        from lightrouter.cli.processes import Processes

        return asyncio.run(_up(Processes, options, ready_file))
    from lightrouter.cli.oneprocess import OneProcess
    from lightrouter.runtime.rpc.server import run_loop

    return run_loop(_up(OneProcess, options, ready_file))


def replayed(recording: Path, *, pace: bool) -> str:
    """Returns the pool file for the models of a recording.

    Raises:
        CommandError: The recording cannot be used.
    """
    from lightrouter.cli import replaypool
    from lightrouter.recording.load import RecordingError, load

    try:
        return replaypool.text(recording.absolute(), load(recording).models, pace=pace)
    except RecordingError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def check_artifact(folder: Path) -> None:
    """Checks that the selector can use an artifact; without this check it would run without one.

    Raises:
        CommandError: It cannot.
    """
    from lightrouter.learned.artifact import ArtifactError, load

    try:
        load(folder)
    except ArtifactError as error:
        raise CommandError(f"--artifact: {error}", ExitCode.USAGE) from None


def fetched_model() -> Path:
    """Returns the GGUF file of the small local model, downloaded if it is missing.

    Raises:
        CommandError: It cannot be downloaded.
    """
    from lightrouter.localmodel.download import ModelUnavailableError, fetch_model

    try:
        return fetch_model(progress=log)
    except ModelUnavailableError as error:
        raise CommandError(str(error)) from None


async def _up(
    make: Callable[[SuiteOptions, Callable[[str], None]], Suite], options: SuiteOptions, ready_file: Path | None
) -> ExitCode:
    stopped = asyncio.Event()
    async with make(options, log) as suite:

        def stop() -> None:
            if stopped.is_set():
                suite.kill()
            stopped.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
        serving = asyncio.create_task(_serve(suite, ready_file))
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if stopped.is_set():
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            return ExitCode.OK
        await serving
    return ExitCode.OK


async def _serve(suite: Suite, ready_file: Path | None) -> None:
    address = await suite.start()
    sys.stdout.write(f"ready: {address}\n")
    sys.stdout.flush()
    if ready_file:
        files.replace(ready_file, f"{address}\n".encode())
    await suite.wait()
