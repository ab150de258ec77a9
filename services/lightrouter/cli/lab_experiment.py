"""`lightrouter lab experiment`: one question about the method, answered on a recording."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lightrouter.cli import lab_support, values
from lightrouter.cli.errors import ExitCode
from lightrouter.cli.text import one_line

NAMES: Final = {
    "boot-length": "how many boot tokens it takes",
    "selector": "every way of ranking on the same partials",
    "aggregator": "drafts that conflict, and the answers made from them",
    "transfer": "trained on some subjects or candidates, tested on others",
    "contradiction": "candidates that contradict each other, injected instructions, a degraded selector",
    "dynamic-pool": "a candidate gets worse and recovers; the evaluator and the router react",
    "options": "what the features of lettered options contribute",
    "variance": "how far the candidates make the same errors, and what merging k of them gains",
}
_DESCRIPTION: Final = (
    "Runs one experiment and writes report.json, report.html and plots. Ctrl-C keeps the finished parts."
)
_EPILOG: Final = """\
With a real model, `selector` lets it rank and `aggregator` lets it merge: --local-model serves a small one for the run
(ten minutes on one thread), --models names a pool file, whose judge ranks and whose synthesizer merges.

examples:
  lightrouter lab experiment boot-length recording.jsonl.gz --out boot-length
  lightrouter lab experiment selector recording.jsonl.gz --local-model --out selector
  lightrouter lab experiment aggregator recording.jsonl.gz --models pool.yaml --asked 200 --out aggregator
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `experiment`."""
    parser.description = _DESCRIPTION + "\n\n" + "\n".join(f"  {name:<14} {about}" for name, about in NAMES.items())
    parser.epilog = _EPILOG
    parser.add_argument("name", choices=tuple(NAMES), metavar="NAME", help=", ".join(NAMES))
    lab_support.add_data_arguments(parser, folds=3)
    helpers = parser.add_mutually_exclusive_group()
    helpers.add_argument("--models", type=Path, metavar="POOL", help="pool file of real models that judge and merge")
    helpers.add_argument(
        "--local-model", action="store_true", help="a small real model (SmolLM2-135M, served for the run) does"
    )
    parser.add_argument(
        "--asked",
        type=values.count,
        default=20,
        metavar="N",
        help="maximum prompts that a real model judges, or whose drafts it merges; default: 20",
    )


def run(arguments: argparse.Namespace) -> ExitCode:
    """Runs the experiment and prints its findings."""
    from lightrouter.lab.experiments.run import Settings, experiment

    settings = Settings(
        **lab_support.run_settings(arguments),
        name=arguments.name,
        models=arguments.models,
        local_model=arguments.local_model,
        asked=arguments.asked,
    )
    with _only_errors_logged(), lab_support.reported(arguments.out) as progress:
        findings = experiment(settings, progress)
    lab_support.warn(findings.warnings)
    sys.stdout.write("\n".join(map(one_line, findings.sentences)))
    sys.stdout.write(f"\n\nThe page is {arguments.out / 'report.html'}.\n")
    return ExitCode.OK


@contextmanager
def _only_errors_logged() -> Iterator[None]:
    """Logs only errors: an experiment counts the warnings itself."""
    logger = logging.getLogger("lightrouter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
