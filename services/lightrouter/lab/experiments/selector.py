"""All ways of ranking on the same partials, and a judge's order bias if one is configured."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.experiments.judging import JudgedPrompts
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.frame import frame
from lightrouter.lab.results.summary import BEST_SINGLE

ABOUT = (
    "Quality and cost of every way of ranking, all else equal, and how often a judge's verdict flips with the order."
)

KINDS: Final = ("learned", "consensus", "prior", "knn", "random")


def run(study: Study) -> Findings:
    """Routes every prompt with each way of ranking, and some prompts with the judge."""

    def policies(number: int, train: LabelledData) -> list[Policy]:
        boot = study.boot(train)
        return [BestSingle(), *(study.ranker(kind, boot, number, train) for kind in KINDS)]

    outcomes = study.outcomes(policies)
    judged = JudgedPrompts(study) if study.helpers.judge else None
    rows = frame(outcomes, study.bootstrap, BEST_SINGLE)
    best = max((rows[kind] for kind in KINDS), key=lambda row: row.quality.mean)
    sentences = [
        (
            f"Best ranks {best.name}: {best.quality.mean:.4f}, {best.gain.mean:+.4f} to best-single "
            f"({best.gain.low:+.4f} to {best.gain.high:+.4f}); chance gives {rows['random'].quality.mean:.4f}, "
            f"with known labels it would be {rows['oracle'].quality.mean:.4f}."
        )
    ]
    tables = [
        Table(
            "One goes on, ranked by",
            ("ranked by", "quality", "95 %", "to best-single", "95 %", "output tokens", "$ / 1,000"),
            [(*row.cells, *row.money_cells) for row in rows.values()],
        )
    ]
    report: dict[str, object] = {
        "rankings": [
            {**row.report, "output_tokens": row.output_tokens, "cost_usd": row.cost_usd} for row in rows.values()
        ]
    }
    if judged is None:
        sentences.append(
            "No judge is configured: `llm` and its order bias are not measured; --local-model or --models does."
        )
    else:
        sentences += judged.sentences()
        tables.append(judged.table())
        report["llm"] = judged.report()
    quality = {name: row.quality for name, row in rows.items() if name != "oracle"}
    return Findings(
        title="Ways of ranking",
        sentences=sentences,
        figures=[
            Figure("quality", plots.intervals(quality, "quality", "One goes on, ranked by"), "With 95 % intervals.")
        ],
        tables=tables,
        report=report,
        notes=(
            "All candidates boot equally long, and the best-ranked one alone goes on.",
            *(judged.notes() if judged else ()),
        ),
    )
