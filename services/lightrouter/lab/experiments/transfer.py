"""Transfer: the learned ranking on subjects and candidates that it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from lightrouter.lab.dataset.data import Data, DataError
from lightrouter.lab.dataset.questions import Ints, LabelledData, Questions
from lightrouter.lab.dataset.splits import Split, folds
from lightrouter.lab.policies import oracle
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Decision, Policy
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import QUALITY, tabulate
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap
from lightrouter.lab.results.figures import BEST_SINGLE, Results
from lightrouter.lab.study import Study
from lightrouter.recording.recording import pool_names
from lightrouter.v1.candidate_pb2 import Evaluation

# A choice: subjects of MMLU-Pro that take reasoning rather than knowledge.
_REASONING: Final = frozenset({"math", "physics", "chemistry", "engineering", "computer science"})
# Choices: fewer prompts show no difference; the prompts with which a new candidate is calibrated.
_LEAST_HELD: Final = 10
_CALIBRATION: Final = (0, 20, 50, 200)
# Number of calibration prompts in the findings.
_REPORTED: Final = 50
_BEST_BY: Final = "best by calibration"
_OWN, _OTHER = "trained on its own subjects too", "trained on other subjects"
_COLUMNS: Final = {"policy": "name", **QUALITY}
_NOTES: Final = (
    (
        "All candidates boot, and only the best-ranked one continues. Both models are evaluated on the same held-out "
        "prompts; one learned from other subjects only, the other from all subjects, in folds."
    ),
    (
        "Unseen candidates are those of odd rank by quality on the training prompts; the model is trained on the "
        "others. Calibration prompts are drawn from the training prompts. The mean quality on them is all that is "
        f"known of an unseen candidate, and {_BEST_BY} chooses by it alone."
    ),
)


def run(study: Study) -> Findings:
    """Evaluates on held-out subjects, then on held-out candidates."""
    return replace(_subjects(study) + _candidates(study), title="What was learned, elsewhere", notes=_NOTES)


def _subjects(study: Study) -> Findings:
    """Evaluates models that were trained with and without the held-out subjects, by boot length."""
    labelled = study.data.test
    held, inside, outside = _held_out([prompt.category for prompt in labelled.questions.recording.prompts])
    boot = study.boot(labelled)
    lengths = sorted({max(5, boot // 2), boot, boot * 2, boot * 4})
    test = labelled.take(inside)
    own = [
        Split(np.concatenate([outside, inside[train]]), indices)
        for train, indices in folds(test.questions.prompts, len(study.data.splits) + 1, study.seed)
    ]
    other = _trained(study, Data(test, labelled, [Split(outside, np.arange(len(test)))], []), _OTHER, lengths)
    outcomes = {**_trained(study, Data(test, labelled, own, []), _OWN, lengths), **other}
    single = f"{BEST_SINGLE}, {_OWN}"
    results = Results(outcomes, Bootstrap(test.questions.prompts, study.seed), [single])
    figures, rows = results.figures, results.rows()
    series = {
        kind: [(length, figures[f"learned B={length}, {kind}"].quality) for length in lengths]
        for kind in (_OTHER, _OWN)
    }
    text = "; ".join(
        f"{length} boot tokens: {unseen.mean:.4f} against {seen.mean:.4f}"
        for (length, unseen), (_, seen) in zip(series[_OTHER], series[_OWN], strict=True)
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


def _candidates(study: Study) -> Findings:
    """Evaluates the learned ranking of held-out candidates, by the number of calibration prompts."""
    order = np.argsort(-study.priors, kind="stable")
    unseen, seen = (tuple(study.models[model] for model in order[first::2]) for first in (0, 1))
    test, train = study.data.test, study.data.train
    data = replace(study.data, test=test.of_models(unseen), train=train and train.of_models(unseen))

    def policies(number: int, labelled: LabelledData) -> list[Policy]:
        known = (train or test).take(study.data.splits[number].train).of_models(seen)
        model = study.trained.on(f"seen-{number}", known)
        calibrated: list[Policy] = []
        for count in _CALIBRATION:
            drawn = np.random.default_rng(study.seed).permutation(len(labelled))[:count]
            route = ranker("learned", study.boot(labelled), labelled, study.prices, model, suffix=f", {count} prompts")
            calibrated.append(_Calibrated(route, drawn))
            if count:
                calibrated.append(_Calibrated(BestSingle(f"{_BEST_BY}, {count} prompts"), drawn))
        return [BestSingle(), *calibrated]

    results = study.results(policies, data)
    figures, rows = results.figures, results.rows()
    to_known = results.gain(f"learned, {_REPORTED} prompts", f"{_BEST_BY}, {_REPORTED} prompts")
    to_single = figures[f"learned, {_REPORTED} prompts"].gain[BEST_SINGLE]
    text = ", ".join(f"{count}: {figures[f'learned, {count} prompts'].quality.mean:.4f}" for count in _CALIBRATION)
    names = ", ".join(unseen)
    plot = plots.intervals(results.quality(), "quality", "Unseen")
    return Findings(
        sentences=[
            (
                f"On unseen candidates ({names}), by calibration prompts: {text}. The best single one of them, known "
                f"from all training prompts: {figures[BEST_SINGLE].quality.mean:.4f}."
            ),
            (
                f"On unseen candidates with {_REPORTED} calibration prompts the learned ranking is "
                f"{to_single.verdict} the best single one among them, which is known from all training prompts: "
                f"{to_single.difference}. It is {to_known.verdict} the one that is best on these {_REPORTED} prompts: "
                f"{to_known.difference}."
            ),
        ],
        figures=[Figure("candidates", plot, f"Candidates that the model was not trained on. {INTERVALS}")],
        tables=[tabulate(f"Unseen candidates: {names}", _COLUMNS, rows)],
        report={
            "candidates": {"unseen": unseen, "seen": seen, "gain_best_by_calibration": to_known, "figures": rows},
        },
    )


class _Calibrated:
    """A policy that knows the candidates only from calibration prompts."""

    def __init__(self, policy: Routed | BestSingle, drawn: Ints) -> None:
        """Calibrates `policy` on the training prompts at the indices `drawn`."""
        self.name = policy.name
        self.about = f"{policy.about} A candidate is known only by its mean quality on {len(drawn)} prompts."
        self.boot_tokens = policy.boot_tokens
        self._policy = policy
        self._drawn = drawn

    def fit(self, train: LabelledData) -> None:
        """Evaluates the candidates on the calibration prompts."""
        count, known = len(self._drawn), train.take(self._drawn)
        self._policy.fit(known if count else train)
        if not isinstance(self._policy, Routed):
            return
        if not count:
            self._policy.priors = [0.5] * len(train.questions.models)
        else:
            self._policy.evaluations = {
                name: Evaluation(score=mean, score_low=mean, score_high=mean, prompts=count)
                for name, mean in zip(pool_names(train.questions.models).values(), self._policy.priors, strict=True)
            }

    def decide(self, questions: Questions) -> list[Decision]:
        """Decides on each prompt."""
        return self._policy.decide(questions)
