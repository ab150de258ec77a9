"""All ways of ranking on the same partials, and a judge's order bias if one is configured."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.experiments import judging
from lightrouter.lab.policies import oracle
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import COST, QUALITY, tabulate
from lightrouter.lab.results.figures import BEST_SINGLE
from lightrouter.lab.study import Study

KINDS: Final = ("learned", "consensus", "prior", "knn", "random")


def run(study: Study) -> Findings:
    """Routes every prompt with each way of ranking, and some prompts with the judge."""

    def policies(number: int, train: LabelledData) -> list[Policy]:
        boot = study.boot(train)
        return [BestSingle(), *(study.ranker(kind, boot, number, train) for kind in KINDS)]

    results = study.results(policies)
    figures, rows = results.figures, results.rows()
    best = max(KINDS, key=lambda kind: figures[kind].quality.mean)
    ranking = Findings(
        title="Ways of ranking",
        sentences=[
            (
                f"{best} ranks best: {figures[best].quality.mean:.4f}, {figures[best].gain[BEST_SINGLE].difference} to "
                f"best-single. A random ranking gives {figures['random'].quality.mean:.4f}; known labels would give "
                f"{figures[oracle.NAME].quality.mean:.4f}."
            )
        ],
        figures=[Figure("quality", plots.intervals(results.quality(), "quality", "One goes on, ranked by"), INTERVALS)],
        tables=[tabulate("One goes on, ranked by", {"ranked by": "name", **QUALITY, **COST}, rows)],
        report={"rankings": rows},
        notes=["All candidates boot equally long, and only the best-ranked one goes on."],
    )
    return ranking + judging.run(study)
