"""`lightrouter lab compare`: every policy on one recording, with error bars."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, Final

from lightrouter.cli import lab_support
from lightrouter.cli.grammar import COUNT, Whole, alone, command, option
from lightrouter.cli.text import one_line

_Row = Mapping[str, Any]
_EXAMPLES: Final = """\
  lightrouter lab compare recording.jsonl.gz --out report
  lightrouter lab compare new.jsonl.gz --train old.jsonl.gz --out report
  lightrouter lab compare recording.jsonl.gz --out report --resume
"""


@command("compare", _EXAMPLES)
@lab_support.data_options(folds=5)
@option("--artifact", type=Path, metavar="DIR", section="Learning", help="a trained selector; default: trained here")
@option("--boots", is_flag=True, section="Learning", help="learn what boots give, so that worth may begin with them")
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

    The column `cached` is the price if providers had every prefix in their cache that they have read before. --prices
    may name machines of one's own, whose tokens cost the time that they take.
    """
    alone(artifact=more["artifact"], boots=more["boots"])
    from lightrouter.lab.compare import Settings
    from lightrouter.lab.compare import compare as run

    with lab_support.reported(out) as progress:
        found = run(Settings(**settings, **more), progress)
    lab_support.warn(found.warnings)
    sys.stdout.write(_table(found.report["policies"]))
    sys.stdout.write(f"\n{_both_ways(found.report['policies'])}")
    sys.stdout.write(f"\nThe report is {out / 'report.html'}.\n")


def _table(policies: Sequence[_Row]) -> str:
    head = f"{'policy':<34}{'quality':>9}  {'95 %':<15}{'output tokens':>14}{'of full':>9}"
    lines = [f"{head}{'$ / 1,000':>11}{'cached':>9}{'k':>6}"]
    for row in policies:
        mean, interval = f"{row['quality']:.4f}", f"{row['quality_low']:.3f} to {row['quality_high']:.3f}"
        if isnan(row["quality"]):
            mean, interval = "-", "not measured"
        lines.append(
            f"{one_line(row['name']):<34}{mean:>9}  {interval:<15}{row['output_tokens']:>14,.0f}"
            f"{row['output_share']:>9.1%}{1000 * row['cost_usd']:>11.4f}{1000 * row['cached_usd']:>9.4f}"
            f"{row['mean_k']:>6.2f}"
        )
    return "\n".join(lines) + "\n"


def _both_ways(policies: Sequence[_Row]) -> str:
    """Returns the table of the policies that boot, with cut calls and with held ones."""
    from lightrouter.lab.report.comparison import ways

    head = f"{'policy':<34}{'boots':<6}{'output tokens':>14}{'input tokens':>14}"
    lines = [f"{head}{'$ / 1,000':>11}{'cached':>9}{'seconds':>9}"]
    for policy in policies:
        for way, row in ways(policy):
            lines.append(
                f"{one_line(policy['name']):<34}{way:<6}{row['output_tokens']:>14,.0f}{row['input_tokens']:>14,.0f}"
                f"{1000 * row['cost_usd']:>11.4f}{1000 * row['cached_usd']:>9.4f}{row['seconds']:>9.1f}"
            )
    return "\n".join(lines) + "\n"
