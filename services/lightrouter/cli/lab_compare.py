"""`lightrouter lab compare`: every policy on one recording, with error bars."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightrouter.cli import lab_support
from lightrouter.cli.grammar import COUNT, Whole, command, option
from lightrouter.cli.text import one_line

if TYPE_CHECKING:
    from lightrouter.lab.results.figures import Figures

_EXAMPLES: Final = """\
  lightrouter lab compare recording.jsonl.gz --out report
  lightrouter lab compare new.jsonl.gz --train old.jsonl.gz --out report
  lightrouter lab compare recording.jsonl.gz --out report --resume
"""


@command("compare", _EXAMPLES)
@lab_support.data_options(folds=5)
@option("--artifact", type=Path, metavar="DIR", section="Learning", help="a trained selector; default: trained here")
@option("--top-k", type=Whole(1, 64), metavar="K", help="maximum finished drafts; default: each policy's")
@option(
    "--overshoot-tokens",
    type=COUNT,
    help="tokens that a held candidate without recorded times writes while the slowest one boots; default: 30",
)
def compare(settings: dict[str, Any], out: Path, **more: Any) -> None:
    """Compares LightRouter and its baselines on the same recorded prompts at the same prices.

    Writes report.json, report.html and plots. Ctrl-C keeps the finished parts.

    By default policies learn from the recording itself, in folds: every prompt is tested with policies that have not
    seen it. Use this if the recording has some hundred prompts. --train learns from another recording of the same
    models; --artifact takes a trained selector, which must not have seen the prompts.
    """
    from lightrouter.lab.compare import Settings
    from lightrouter.lab.compare import compare as run

    with lab_support.reported(out) as progress:
        compared = run(Settings(**settings, **more), progress)
    lab_support.warn(compared.findings.warnings)
    sys.stdout.write(_table(compared.figures))
    sys.stdout.write(f"\n{_both_ways(compared.figures)}")
    sys.stdout.write(f"\nThe report is {out / 'report.html'}.\n")


def _table(figures: Mapping[str, Figures]) -> str:
    lines = [f"{'policy':<34}{'quality':>9}  {'95 %':<15}{'output tokens':>14}{'of full':>9}{'$ / 1,000':>11}{'k':>6}"]
    for name, each in figures.items():
        mean, interval = each.quality.cells if each.measured else ("-", "not measured")
        lines.append(
            f"{one_line(name):<34}{mean:>9}  {interval:<15}{each.output_tokens.mean:>14,.0f}{each.output_share:>9.1%}"
            f"{1000 * each.cost_usd.mean:>11.4f}{each.mean_k:>6.2f}"
        )
    return "\n".join(lines) + "\n"


def _both_ways(figures: Mapping[str, Figures]) -> str:
    """Returns the table of the policies that boot, with cut calls and with held ones."""
    lines = [f"{'policy':<34}{'boots':<6}{'output tokens':>14}{'input tokens':>14}{'$ / 1,000':>11}{'seconds':>9}"]
    for name, each in figures.items():
        for way, row in each.both_ways.items():
            lines.append(
                f"{one_line(name):<34}{way:<6}{row['output_tokens']:>14,.0f}{row['input_tokens']:>14,.0f}"
                f"{1000 * row['cost_usd']:>11.4f}{row['seconds']:>9.1f}"
            )
    return "\n".join(lines) + "\n"
