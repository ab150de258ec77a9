"""Conflicting drafts: which side an aggregator takes, and whether it invents a third answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from lightrouter.lab.dataset.conflicts import APART, RIGHT, WRONG, Conflict, conflicts
from lightrouter.lab.policies.engine import Engine, opened
from lightrouter.lab.policies.merging import FAILED, NONE, ROOM_TOKENS, SYNTHESIZE, THIRD, side, unhurried
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import share
from lightrouter.lab.study import Study

_OUTCOMES: Final = {outcome: outcome.replace(" ", "_") for outcome in (RIGHT, WRONG, THIRD, NONE, FAILED)}
_COLUMNS: Final = {
    "drafts": "drafts",
    "merged by": "merged_by",
    "conflicts": "conflicts",
    **_OUTCOMES,
    "the better model's side": "better_models_side",
}
_NOTES: Final = (
    (
        "Conflicts are drafts of one prompt with different answers, one right and one wrong; without "
        f"comparable answers, drafts whose qualities are {APART} or more apart. One pair and one triple of each "
        "prompt are drawn with the seed."
    ),
    "Scores are the priors of the training prompts, so that the figures measure merging, not ranking.",
    (
        f"A synthesis may be {ROOM_TOKENS} tokens longer than the longest of its drafts. It failed if no model "
        "finished it; the best draft would then be the answer. Intervals are Wilson's, 95 %."
    ),
)


def run(study: Study) -> Findings:
    """Merges conflicting drafts with each strategy."""
    rows = []
    for kind, size in (("two drafts", 2), ("two against one", 3)):
        found = conflicts(study.data.test, study.priors, size, study.seed)
        for strategy in ("best", "vote", *([SYNTHESIZE] if study.helpers.synthesizer else [])):
            # A real model merges only some of them.
            part = _drawn(study, found) if strategy == SYNTHESIZE else found
            rows.append(_row(kind, strategy, part, asyncio.run(_sides(study, f"{strategy}, {kind}", part, strategy))))
    met = [row for row in rows if row["conflicts"]]
    sentences = [_sentence(row) for row in met]
    if not study.helpers.synthesizer:
        sentences.append("No synthesizer: `synthesize` is not measured; give --local-model or --models.")
    right = {f"{row['merged_by']}, {row['drafts']}": row["right_share"] for row in met}
    return Findings(
        title="Drafts that conflict",
        sentences=sentences,
        figures=[Figure("right", plots.intervals(right, "share right", "Which side is taken"), INTERVALS)]
        if right
        else [],
        tables=[tabulate("Outcomes of the conflicts", _COLUMNS, rows, "No draft gave the third answer.")],
        report={"merges": rows},
        notes=[*_NOTES, *study.helpers.about],
    )


def _drawn(study: Study, found: Sequence[Conflict]) -> list[Conflict]:
    order = np.random.default_rng(study.seed).permutation(len(found))[: study.asked]
    return [found[index] for index in sorted(order)]


def _row(kind: str, name: str, found: Sequence[Conflict], taken: Sequence[str]) -> dict[str, Any]:
    counts = Counter(taken)
    return {
        "drafts": kind,
        "merged_by": name,
        "conflicts": len(taken),
        **{name: counts[outcome] for outcome, name in _OUTCOMES.items()},
        "better_models_side": sum(side == each.sides[0] for side, each in zip(taken, found, strict=True)),
        **{f"{each}_share": share(counts[each], len(taken)) if taken else None for each in (RIGHT, THIRD)},
    }


def _sentence(row: dict[str, Any]) -> str:
    better = share(row["better_models_side"], row["conflicts"])
    return (
        f"{row['merged_by']}, {row['drafts']}, {row['conflicts']} conflicts: it takes the right side in "
        f"{row['right_share'].percent}, the better model's in {better.percent}; a third answer comes in "
        f"{row['third_share'].percent}, none in {row['no_answer']}, and {row['failed']} failed."
    )


async def _sides(study: Study, part: str, found: Sequence[Conflict], strategy: str) -> list[str]:
    """Returns the side that is taken in each conflict; sides of a real model are kept at once under the name `part`."""
    questions, helpers = study.data.test.questions, study.helpers
    taken: list[str] = study.parts.recall(part) or []
    study.progress.expect(len(found) - len(taken))
    async with opened(Engine(questions.recording, helpers.entries)) as engine:
        aggregator = unhurried(engine)
        for conflict in found[len(taken) :]:
            with study.progress.step(part):
                taken.append(await side(aggregator, questions, study.priors, helpers, conflict, strategy))
                if strategy == SYNTHESIZE:
                    study.parts.keep(part, taken)
    return taken
