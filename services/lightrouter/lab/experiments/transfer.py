"""Transfer: the learned ranking on subjects, and then on candidates, that it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lightrouter.lab.dataset.data import Data, DataError
from lightrouter.lab.dataset.questions import Ints, LabelledData
from lightrouter.lab.dataset.splits import Split, folds
from lightrouter.lab.experiments import unseen
from lightrouter.lab.policies import oracle
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import QUALITY, tabulate
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.figures import BEST_SINGLE, Results
from lightrouter.lab.study import Study

# A choice: subjects of MMLU-Pro that take reasoning rather than knowledge.
_REASONING: Final = frozenset({"math", "physics", "chemistry", "engineering", "computer science"})
# A choice: fewer prompts show no difference.
_LEAST_HELD: Final = 10
_OWN, _OTHER = "trained on its own subjects too", "trained on other subjects"
_COLUMNS: Final = {"policy": "name", **QUALITY}
_NOTE: Final = (
    "All candidates boot, and only the best-ranked one continues. Both models are evaluated on the same held-out "
    "prompts; one learned from other subjects only, the other from all subjects, in folds."
)


def run(study: Study) -> Findings:
    """Evaluates on held-out subjects, then on held-out candidates."""
    return replace(_subjects(study) + unseen.run(study), title="What was learned, elsewhere")


def _subjects(study: Study) -> Findings:
    """Evaluates models that were trained with and without the held-out subjects, by boot length."""
    labelled = study.data.test
    held, inside, outside = _held_out([prompt.category for prompt in labelled.questions.recording.prompts])
    boot = study.boot(labelled)
    lengths = sorted({max(5, boot // 2), boot, boot * 2, boot * 4})
    test = labelled.take(inside)
    splits = {
        _OTHER: [Split(outside, np.arange(len(test)))],
        _OWN: [
            Split(np.concatenate([outside, inside[train]]), indices)
            for train, indices in folds(test.questions.prompts, len(study.data.splits) + 1, study.seed)
        ],
    }
    found = {kind: _trained(study, Data(test, labelled, each, []), kind, lengths) for kind, each in splits.items()}
    outcomes = found[_OWN] | found[_OTHER]
    single = f"{BEST_SINGLE}, {_OWN}"
    results = Results(outcomes, Bootstrap(test.questions.prompts, study.seed), [single])
    figures, rows = results.figures, results.rows()
    series = {
        kind: [(length, figures[f"learned B={length}, {kind}"].quality) for length in lengths]
        for kind in (_OTHER, _OWN)
    }
    text = "; ".join(
        f"{length} boot tokens: {other.mean:.4f} against {own.mean:.4f}"
        for (length, other), (_, own) in zip(series[_OTHER], series[_OWN], strict=True)
    )
    series[BEST_SINGLE] = [(length, figures[single].quality) for length in lengths]
    plot = plots.lines(series, "boot tokens", "quality", "Held-out subjects", log=True)
    return Findings(
        sentences=[
            (
                f"On {len(test)} prompts of held-out subjects ({', '.join(held)}), trained on other subjects against "
                f"trained on these too: {text}. {BEST_SINGLE}: {figures[single].quality.mean:.4f}."
            )
        ],
        figures=[Figure("subjects", plot, f"Held out: {', '.join(held)}. {INTERVALS}")],
        tables=[tabulate(f"Held-out subjects, {len(test)} prompts", _COLUMNS, rows)],
        report={"subjects": {"held_out": held, "prompts": len(test), "figures": rows}},
        notes=[_NOTE],
    )


def _held_out(categories: Sequence[str]) -> tuple[list[str], Ints, Ints]:
    """Returns the reasoning-heavy subjects, or the most frequent one if there are none, and the indices in and out.

    Raises:
        DataError: There are too few prompts in or out.
    """
    held = sorted(_REASONING & set(categories)) or [Counter(categories).most_common(1)[0][0]]
    mask = np.array([category in held for category in categories])
    inside, outside = np.flatnonzero(mask), np.flatnonzero(~mask)
    if min(len(inside), len(outside)) < _LEAST_HELD:
        raise DataError(
            f"{len(inside)} prompts of {', '.join(held)} against {len(outside)} others are too few to transfer"
        )
    return held, inside, outside


def _trained(study: Study, data: Data, kind: str, lengths: Sequence[int]) -> dict[str, Outcomes]:
    """Returns the outcomes of the learned ranking at each boot length, and of the best single model."""

    def policies(number: int, train: LabelledData) -> list[Policy]:
        model = study.trained.on(f"{kind}-{number}", train)
        routes = [
            ranker("learned", length, train, study.prices, model, suffix=f" B={length}, {kind}") for length in lengths
        ]
        return [BestSingle(f"{BEST_SINGLE}, {kind}"), *routes]

    outcomes = study.outcomes(policies, data)
    del outcomes[oracle.NAME]
    return outcomes
