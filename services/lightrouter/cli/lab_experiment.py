"""`lightrouter lab experiment`: one question about the method, answered on a recording."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from pathlib import Path
from typing import Final

from lightrouter.cli import lab_support, values
from lightrouter.cli.errors import ExitCode

NAMES: Final = {
    "boot-length": "how many boot tokens it takes",
    "selector": "every way of ranking on the same partials",
    "aggregator": "drafts that conflict, and what becomes of them",
    "transfer": "trained on some subjects or candidates, judged on others",
    "contradiction": "candidates that contradict each other, injected instructions, a selector made worse",
    "dynamic-pool": "a candidate goes bad half-way and recovers, before the evaluator and the router",
    "variance": "how far the candidates err alike, and what merging k of them gains",
}
_DESCRIPTION: Final = "Runs one experiment and writes report.json, report.html and plots. Ctrl-C keeps what is done."
_EPILOG: Final = """\
--models names a pool file whose models are really asked: its judge ranks for the selector `llm`, its synthesizer
merges. A small one of your own: python -m lightrouter.localmodel, then lightrouter init with its address.

examples:
  lightrouter lab experiment boot-length recording.jsonl.gz --out boot-length
  lightrouter lab experiment aggregator recording.jsonl.gz --models pool.yaml --limit 40 --out aggregator
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `experiment`."""
    parser.description = _DESCRIPTION + "\n\n" + "\n".join(f"  {name:<14} {about}" for name, about in NAMES.items())
    parser.epilog = _EPILOG
    parser.add_argument("name", choices=tuple(NAMES), metavar="NAME", help=", ".join(NAMES))
    lab_support.add_data_arguments(parser, folds=3)
    parser.add_argument(
        "--boot-tokens",
        type=values.count,
        metavar="N",
        help="tokens that each candidate writes before the ranking; default: set from the training prompts' lengths",
    )
    parser.add_argument("--models", type=Path, metavar="POOL", help="pool file of real models that judge and merge")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Runs the experiment and prints what it found."""
    from lightrouter.lab.experiment import Settings, experiment

    lab_support.check_pattern(arguments.answer_pattern)
    # What services tell their operators is what an experiment counts, over and over.
    logging.getLogger("lightrouter").setLevel(logging.ERROR)
    settings = Settings(
        name=arguments.name,
        data=arguments.data,
        out=arguments.out,
        train=arguments.train,
        models=arguments.models,
        boot_tokens=arguments.boot_tokens,
        folds=arguments.folds,
        seed=arguments.seed,
        limit=arguments.limit,
        prices=arguments.prices,
        answer_pattern=arguments.answer_pattern,
        resume=arguments.resume,
        command=shlex.join(["lightrouter", *arguments.argv]),
    )
    with lab_support.reported(arguments.out) as progress:
        findings = experiment(settings, progress)
    sys.stdout.write("\n".join(findings.sentences))
    sys.stdout.write(f"\n\nThe page is {arguments.out / 'report.html'}.\n")
    return ExitCode.OK
