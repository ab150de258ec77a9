"""`lightrouter lab train`: the learned selector's artifact, from recorded outcomes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from lightrouter.cli import lab_support
from lightrouter.cli.grammar import BOOT_TOKENS, COUNT, argument, command, option

_EXAMPLES: Final = """\
  lightrouter lab train recording.jsonl.gz --out artifact
  lightrouter lab train old.jsonl.gz new.jsonl.gz --out artifact --boot-tokens 20,40
"""


class _Lengths(click.ParamType[tuple[int, ...], Any]):
    """Boot lengths, separated by commas."""

    name = "lengths"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Returns the lengths."""
        return tuple(int(BOOT_TOKENS(part, param, ctx)) for part in str(value).split(","))


@command("train", _EXAMPLES)
@argument("data", "the recordings to learn from", type=Path, nargs=-1, required=True)
@option("--out", type=Path, required=True, metavar="ARTIFACT", help="folder of the artifact")
@option("--boot-tokens", type=_Lengths(), metavar="N[,N]", help="boot lengths to train for; default: from 5 to 200")
@option("--boots", is_flag=True, help="learn what boots give, and keep it where it pays on whole routes")
@option("--folds", type=COUNT, default=5, section="Learning", help="1: no figures")
@lab_support.learning_options
def train(
    data: Sequence[Path],
    out: Path,
    boot_tokens: tuple[int, ...] | None,
    boots: bool,
    folds: int,
    seed: int,
    answer_pattern: str | None,
    prices: Path | None,
) -> None:
    """Trains the selector `learned` on recordings whose responses have a `quality`.

    The artifact is a folder of data; the selector's setting `artifact` names it. It holds the prompts as hashed words
    and the quality of each answer, no text. Figures are cross-validated, with 95 % intervals; equal prompts are in one
    fold. They describe the best of three partials; `brier` is the mean squared error of an answer's expected quality
    (0: perfect), and `second_draft_gain` the gain of a second draft. calibration.png shows observed over expected
    quality. --answer-pattern says where the comparable answer is; the artifact keeps it for requests without one. By
    default it is inferred from the recordings' right answers: choices by letter, or numbers. The table shows what a
    worth buys, on the folds: one candidate is asked, then one more while what it is expected to add is worth its price.
    `planned` is what each call was expected to cost before it was made, `quoted` the whole route before its first call.
    With --boots, routes that begin with a boot are compared with those that do not: quality less money, as a share of
    the worth, mean of all worths.
    """
    from lightrouter.lab.training.quality import TrainingOptions
    from lightrouter.lab.training.validate import trained
    from lightrouter.learned.artifact import FIGURE, prepare, save
    from lightrouter.recording.load import load_labelled
    from lightrouter.recording.prices import load

    pattern = lab_support.checked_pattern(answer_pattern)
    options = TrainingOptions(boot_tokens=boot_tokens or TrainingOptions().boot_tokens, boots=boots)
    with lab_support.reported(out) as progress:
        # Checked before minutes of training.
        prepare(out)
        listed = load(prices)
        recordings = [load_labelled(path) for path in data]
        artifact, plot = trained(recordings, options, seed, folds, progress, pattern, listed)
        save(artifact, out)
        if plot:
            (out / FIGURE).write_bytes(plot)
    if not artifact.metrics:
        sys.stdout.write("No figures: they need two folds or more, and 50 prompts or more.\n")
    curve, tried = artifact.metrics.get("worths", ()), artifact.metrics.get("boots", ())
    for name, value in artifact.metrics.items():
        if name not in {"worths", "boots"}:
            sys.stdout.write(f"{name:<26} {_figure(value)}\n")
    if artifact.metrics and artifact.model.gains:
        sys.stdout.write(f"{'first_gain_share':<26} {artifact.model.gains.first_share:g}\n")
    if curve:
        sys.stdout.write(
            f"\n{'worth':>8}  {'quality':<26}{'$ / 1,000':>10}{'planned':>10}{'quoted':>10}{'answers':>9}\n"
        )
    for point in curve:
        sys.stdout.write(
            f"{point['worth_usd']:>8g}  {_figure(point['quality']):<26}{point['usd_per_1000']:>10.4f}"
            f"{point['planned_usd_per_1000']:>10.4f}{point['quoted_usd_per_1000']:>10.4f}{point['asked']:>9.2f}\n"
        )
    for kind in tried:
        name = "boots, lettered options" if kind["options"] else "boots, other prompts"
        said = "kept" if kind["kept"] else "left out"
        sys.stdout.write(f"{name:<26} {_figure(kind['gain'])} of the worth, {said}\n")
    sys.stdout.write(f"\nThe artifact is {out}.\n")


def _figure(value: object) -> str:
    if isinstance(value, list):
        mean, low, high = value
        return f"{mean:.4f} ({low:.4f} to {high:.4f})"
    return str(value)
