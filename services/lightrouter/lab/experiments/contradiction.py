"""Hard cases: good candidates that contradict each other, injected instructions, a degraded selector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from lightrouter.answers.contradictions import contradictions
from lightrouter.lab.dataset.questions import Ints, LabelledData, Questions
from lightrouter.lab.experiments import tampering
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.figures import BEST_SINGLE
from lightrouter.lab.study import Study
from lightrouter.runtime.tokens import cut

KINDS: Final = ("learned", "consensus", "prior")
_SETS: Final = ("all", "the best two agree", "the best two contradict each other", "they do so in the boot already")
_NOTES: Final = (
    (
        "The best two are those of the training prompts. They contradict each other if their answers differ or, "
        "without comparable answers, if their sentences on the same thing do."
    ),
    "A boot with an injection is longer by its length, so the selector sees as much of each answer as without.",
    (
        "A selector is degraded by shuffling its scores among the candidates in a share of the requests. The scores "
        "themselves stay the same, so it seems as certain as before."
    ),
)


def run(study: Study) -> Findings:
    """Routes every prompt with and without injections, and with degraded selectors."""

    def policies(number: int, train: LabelledData) -> list[Policy]:
        rankers = [study.ranker(kind, study.boot(train), number, train) for kind in KINDS]
        return [BestSingle(), *rankers, *tampering.policies(study, number, train, KINDS)]

    results = study.results(policies)
    parts = _on_contradictions(study, results.outcomes) + tampering.findings(study, results, KINDS)
    return replace(parts, title="Contradictions, injections, and a degraded selector", notes=_NOTES)


def _on_contradictions(study: Study, outcomes: Mapping[str, Outcomes]) -> Findings:
    """Returns the quality on the prompts whose best candidates contradict each other, and on the others."""
    questions = study.data.test.questions
    full, prompts = questions.output_tokens.sum(axis=1), np.array(questions.prompts)
    sets, names = _sets(study), (BEST_SINGLE, *KINDS)
    rows: list[dict[str, Any]] = [
        {
            "set": name,
            "prompts": len(indices),
            "policy": policy,
            "quality": Bootstrap(list(prompts[indices]), study.seed).mean(own.quality),
            "output_share": float(own.output_tokens.mean() / full[indices].mean()),
            "mean_k": float(own.k.mean()),
        }
        for name, indices in sets.items()
        if len(indices)
        for policy in names
        for own in [outcomes[policy].take(indices)]
    ]
    told = {name: ", ".join(f"{row['policy']} {row['quality']}" for row in rows if row["set"] == name) for name in sets}
    bars = {f"{row['policy']}: {row['set']}": row["quality"] for row in rows if row["set"] in _SETS[1:3]}
    found = {(row["policy"], row["set"]): row["quality"] for row in rows}
    columns = {each: each for each in ("set", "prompts", "policy", "quality")}
    return Findings(
        sentences=[
            f"Prompts in which {name} ({len(sets[name])} prompts): {told[name] or 'no such prompts'}."
            for name in _SETS[1:]
        ],
        figures=[Figure("sets", plots.intervals(bars, "quality", "Quality by set"), INTERVALS)],
        tables=[tabulate("By set", {**columns, "of full": "output_share", "mean k": "mean_k"}, rows)],
        report={
            "sets": {name: len(indices) for name, indices in sets.items()},
            "by_set": {policy: {name: found.get((policy, name)) for name in sets} for policy in names},
        },
    )


def _sets(study: Study) -> dict[str, Ints]:
    """Returns the indices of the prompts in each set."""
    questions, boot = study.data.test.questions, study.boot(study.first_train)
    best = [int(model) for model in np.argsort(-study.priors, kind="stable")[:2]]
    texts = [[questions.texts[index][model] for model in best] for index in range(len(questions))]
    whole = np.array([_contradict(questions, pair) for pair in texts])
    booted = np.array([_contradict(questions, [cut(text, boot) for text in pair]) for pair in texts])
    masks = (np.ones(len(questions), dtype=bool), ~whole, whole, whole & booted)
    return {name: np.flatnonzero(mask) for name, mask in zip(_SETS, masks, strict=True)}


def _contradict(questions: Questions, texts: Sequence[str]) -> bool:
    found = contradictions(texts, questions.pattern)
    return any(each.extracted for each in found) if questions.pattern else bool(found)
