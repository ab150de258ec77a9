"""`lightrouter lab experiment`: one question about the method, answered on a recording."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from lightrouter.cli import lab_support
from lightrouter.cli.grammar import COUNT, alone, argument, command, option
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
_EXAMPLES: Final = """\
  lightrouter lab experiment boot-length recording.jsonl.gz --out boot-length
  lightrouter lab experiment selector recording.jsonl.gz --local-model --out selector
  lightrouter lab experiment aggregator recording.jsonl.gz --models pool.yaml --asked 200 --out aggregator

Experiments:
""" + "".join(f"  {name:<14} {about}\n" for name, about in NAMES.items())
_MODELS: Final = "Real models"


@command("experiment", _EXAMPLES)
@argument("name", "which one; they are listed below", type=click.Choice(tuple(NAMES)), metavar="NAME")
@lab_support.data_options(folds=3)
@option("--models", type=Path, metavar="POOL", section=_MODELS, help="pool file of real models that judge and merge")
@option(
    "--local-model",
    is_flag=True,
    section=_MODELS,
    help="a small real model (SmolLM2-135M, served for the run) judges and merges",
)
@option(
    "--asked",
    type=COUNT,
    default=20,
    section=_MODELS,
    help="maximum prompts that a real model judges, or whose drafts it merges",
)
def experiment(settings: dict[str, Any], out: Path, **more: Any) -> None:
    """Runs one experiment, and writes report.json, report.html and plots.

    Ctrl-C keeps the finished parts.

    With a real model, `selector` lets it rank and `aggregator` lets it merge: --local-model serves a small one for the
    run (ten minutes on one thread), --models names a pool file, whose judge ranks and whose synthesizer merges.
    """
    alone(models=more["models"], local_model=more["local_model"])
    from lightrouter.lab.experiments.run import Settings
    from lightrouter.lab.experiments.run import experiment as run

    with _only_errors_logged(), lab_support.reported(out) as progress:
        findings = run(Settings(**settings, **more), progress)
    lab_support.warn(findings.warnings)
    sys.stdout.write("\n".join(map(one_line, findings.sentences)))
    sys.stdout.write(f"\n\nThe page is {out / 'report.html'}.\n")


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
