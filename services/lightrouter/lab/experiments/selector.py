"""Every way of ranking on the same partials; a judge's order bias where one is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.experiments.judging import JudgedPrompts
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.boots import boot_tokens
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.summary import BEST_SINGLE

ABOUT = (
    "Quality and cost of every way of ranking, all else equal, and how often a judge's verdict flips with the order."
)

KINDS: Final = ("learned", "consensus", "prior", "knn", "random")


def run(study: Study) -> Findings:
    """Routes every prompt, ranked in each way; asks the judge for some of them."""

    def policies(number: int, train: LabelledData) -> list[Policy]:
        boot = study.boot_tokens or boot_tokens(train)
        return [BestSingle(), *(study.ranker(kind, boot, number, train) for kind in KINDS)]

    outcomes = study.outcomes(policies)
    judged = JudgedPrompts(study) if study.helpers.judge else None
    names = list(outcomes)
    columns = [each.quality for each in outcomes.values()]
    columns += [each.quality - outcomes[BEST_SINGLE].quality for each in outcomes.values()]
    estimates = study.bootstrap.estimate(np.stack(columns, axis=1))
    quality = dict(zip(names, estimates, strict=False))
    gain = dict(zip(names, estimates[len(names) :], strict=True))
    ranked = {name: quality[name] for name in names if name != "oracle"}
    best = max((name for name in KINDS), key=lambda name: quality[name].mean)
    sentences = [
        (
            f"Best ranks {best}: {quality[best].mean:.4f}, {gain[best].mean:+.4f} to best-single "
            f"({gain[best].low:+.4f} to {gain[best].high:+.4f}); chance gives {quality['random'].mean:.4f}, "
            "whoever knows the "
            f"labels {quality['oracle'].mean:.4f}."
        )
    ]
    tables = [
        Table(
            "One goes on, ranked by",
            ("ranked by", "quality", "95 %", "to best-single", "95 %", "output tokens", "$ / 1,000"),
            [
                (
                    name,
                    f"{quality[name].mean:.4f}",
                    f"{quality[name].low:.3f} to {quality[name].high:.3f}",
                    f"{gain[name].mean:+.4f}",
                    f"{gain[name].low:+.4f} to {gain[name].high:+.4f}",
                    f"{outcomes[name].output_tokens.mean():,.0f}",
                    f"{1000 * outcomes[name].cost_usd.mean():.4f}",
                )
                for name in names
            ],
        )
    ]
    report: dict[str, object] = {
        "rankings": [_report(name, outcomes, quality[name]._asdict(), gain[name]._asdict()) for name in names]
    }
    if judged is None:
        sentences.append(
            "No judge is configured: `llm` and its order bias are not measured; --local-model or --models does."
        )
    else:
        sentences += judged.sentences()
        tables.append(judged.table())
        report["llm"] = judged.report()
    return Findings(
        title="Ways of ranking",
        sentences=sentences,
        figures=[
            Figure("quality", plots.intervals(ranked, "quality", "One goes on, ranked by"), "With 95 % intervals.")
        ],
        tables=tables,
        report=report,
        notes=(
            "All candidates boot equally long, and the best-ranked one alone goes on.",
            *(judged.notes() if judged else ()),
        ),
    )


def _report(
    name: str, outcomes: Mapping[str, Outcomes], quality: Mapping[str, float], gain: Mapping[str, float]
) -> dict[str, object]:
    each = outcomes[name]
    return {
        "name": name,
        "quality": quality,
        "gain_best_single": gain,
        "output_tokens": float(each.output_tokens.mean()),
        "cost_usd": float(each.cost_usd.mean()),
    }
