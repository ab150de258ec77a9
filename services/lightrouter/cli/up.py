"""`lightrouter up`: the whole suite on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.suite import Suite, SuiteOptions
from lightrouter.cli.text import log
from lightrouter.runtime import files

_DESCRIPTION: Final = """\
Runs router, selector, aggregator and an adapter for each candidate on this machine, in one process. With --processes
each has its own, as in a cluster, and a service that dies is restarted. Without --pool a small model (SmolLM2-135M,
downloaded once) serves as three candidates.

With --replay the candidates are the models of a recording (JSON lines, each with `id`, `prompt` and `responses`), which
answer the recorded prompts with the recorded texts. Everything but the models is real; prices and priors are assumed.

Candidates that you add to the pool file, change or remove take effect without a restart. Ctrl-C lets running calls
finish and stops everything; a second one stops at once.
"""

_EPILOG: Final = """\
examples:
  lightrouter up
  lightrouter up --replay recorded.jsonl.gz --pace
  lightrouter up --pool pool.yaml --listen 0.0.0.0:50051
  lightrouter up --pool pool.yaml --artifact artifact       what `lightrouter lab train` made of your recordings
  lightrouter up --otlp http://localhost:4317        traces to Jaeger or an OpenTelemetry Collector
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `up`."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    pool = parser.add_mutually_exclusive_group()
    pool.add_argument("--pool", type=Path, metavar="FILE", help="pool file; default: a small local model")
    pool.add_argument("--replay", type=Path, metavar="FILE", help="recording whose models are the candidates")
    parser.add_argument("--pace", action="store_true", help="with --replay: take the recorded time")
    parser.add_argument(
        "--listen", default="127.0.0.1:50051", metavar="HOST:PORT", help="router's address; port 0 picks a free one"
    )
    parser.add_argument(
        "--artifact", type=Path, metavar="DIR", help="artifact of the selector `learned`; default: the package's"
    )
    parser.add_argument("--processes", action="store_true", help="one process per service; default: one for all")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="file that gets the router's address")
    parser.add_argument(
        "--log-level", default="warning", choices=("debug", "info", "warning", "error"), help="default: warning"
    )
    parser.add_argument("--otlp", metavar="URL", help="OTLP gRPC endpoint for traces, http://HOST:PORT; default: none")
    parser.add_argument(
        "--sampling-ratio", type=float, default=1.0, metavar="X", help="share of requests traced, 0 to 1; default: 1"
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Runs the suite until it is stopped."""
    if arguments.pace and not arguments.replay:
        raise CommandError("--pace is for --replay, which names the recording", ExitCode.USAGE)
    if arguments.artifact:
        check_artifact(arguments.artifact)
    options = SuiteOptions(
        listen=arguments.listen,
        pool=arguments.pool,
        pool_text=replayed(arguments.replay, pace=arguments.pace) if arguments.replay else None,
        model=None if arguments.pool or arguments.replay else local_model(),
        log_level=arguments.log_level,
        otlp_endpoint=arguments.otlp,
        sampling_ratio=arguments.sampling_ratio,
        artifact=arguments.artifact,
    )
    # Imported here, because the suite costs a second, which other commands and --help need not pay.
    if arguments.processes:
        from lightrouter.cli.processes import Processes

        return asyncio.run(_up(Processes, options, arguments.ready_file))
    from lightrouter.cli.oneprocess import OneProcess
    from lightrouter.runtime.rpc.server import run_loop

    return run_loop(_up(OneProcess, options, arguments.ready_file))


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


def local_model() -> Path:
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
