"""`lightrouter lab train`: the learned selector's artifact, from recorded outcomes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lightrouter.cli import lab_support, values
from lightrouter.cli.errors import ExitCode

_EPILOG = """\
The artifact is a folder of data; the selector's setting `artifact` names it. It holds the prompts as hashed words and
the quality of each answer, no text. Figures are cross-validated, with 95 % intervals; equal prompts are in one fold.
They describe the best of three partials; `brier` is the mean squared error of an answer's expected quality (0:
perfect), and `second_draft_gain` the gain of a second draft. calibration.png shows observed over expected quality.
--answer-pattern says where the comparable answer is; the artifact keeps it for requests without one. By default it is
inferred from the recordings' right answers: choices by letter, or numbers. The table shows what a worth buys, on the
folds: one candidate is asked, then one more while what it is expected to add is worth its price.

examples:
  lightrouter lab train recording.jsonl.gz --out artifact
  lightrouter lab train old.jsonl.gz new.jsonl.gz --out artifact --boot-tokens 20,40
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `train`."""
    parser.description = "Trains the selector `learned` on recordings whose responses have a `quality`."
    parser.epilog = _EPILOG
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA", help="the recordings to learn from")
    parser.add_argument("--out", type=Path, required=True, metavar="ARTIFACT", help="folder of the artifact")
    parser.add_argument(
        "--boot-tokens", type=_lengths, metavar="N[,N]", help="boot lengths to train for; default: from 5 to 200"
    )
    parser.add_argument("--folds", type=values.count, default=5, metavar="N", help="1: no figures; default: 5")
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices in YAML, which override the package's")
    lab_support.add_learning_arguments(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Trains, writes the artifact and prints its figures."""
    from lightrouter.lab.training.quality import TrainingOptions
    from lightrouter.lab.training.validate import trained
    from lightrouter.learned.artifact import prepare, save
    from lightrouter.recording import prices
    from lightrouter.recording.load import load_labelled

    pattern = lab_support.checked_pattern(arguments.answer_pattern)
    options = TrainingOptions(boot_tokens=arguments.boot_tokens) if arguments.boot_tokens else TrainingOptions()
    with lab_support.reported(arguments.out) as progress:
        # Checked before minutes of training.
        prepare(arguments.out)
        listed = prices.load(arguments.prices)
        recordings = [load_labelled(path) for path in arguments.data]
        artifact, plot = trained(recordings, options, arguments.seed, arguments.folds, progress, pattern, listed)
        save(artifact, arguments.out)
        if plot:
            (arguments.out / "calibration.png").write_bytes(plot)
    if not artifact.metrics:
        sys.stdout.write("No figures: they need two folds or more, and 50 prompts or more.\n")
    curve = artifact.metrics.get("worths", ())
    for name, value in artifact.metrics.items():
        if value is not curve:
            sys.stdout.write(f"{name:<26} {_figure(value)}\n")
    if curve:
        sys.stdout.write(f"\n{'worth':>8}  {'quality':<26}{'$ / 1,000':>10}{'planned':>10}{'answers':>9}\n")
    for point in curve:
        sys.stdout.write(
            f"{point['worth_usd']:>8g}  {_figure(point['quality']):<26}{point['usd_per_1000']:>10.4f}"
            f"{point['planned_usd_per_1000']:>10.4f}{point['asked']:>9.2f}\n"
        )
    sys.stdout.write(f"\nThe artifact is {arguments.out}.\n")
    return ExitCode.OK


def _figure(value: object) -> str:
    if isinstance(value, list):
        mean, low, high = value
        return f"{mean:.4f} ({low:.4f} to {high:.4f})"
    return str(value)


def _lengths(value: str) -> tuple[int, ...]:
    return tuple(values.boot_tokens(part) for part in value.split(","))
