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
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Decision, Policy
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.results.frame import frame
from lightrouter.lab.results.running import run as run_policies
from lightrouter.lab.results.summary import BEST_SINGLE
from lightrouter.recording.recording import LabelledRecording, Recording, pool_names
from lightrouter.v1.candidate_pb2 import Evaluation

ABOUT = "What is left of the learned ranking on subjects, and on candidates, that it was not trained on."

# A choice: subjects of MMLU-Pro that take reasoning rather than knowledge.
_REASONING: Final = frozenset({"math", "physics", "chemistry", "engineering", "computer science"})
_LEAST_HELD: Final = 10
_CALIBRATION: Final = (0, 20, 50, 200)
# Number of calibration prompts in the findings.
_TOLD: Final = 50
_BEST_BY: Final = "best by calibration"
_OWN, _OTHER = "trained on its own subjects too", "trained on other subjects"


def run(study: Study) -> Findings:
    """Evaluates on held-out subjects, then on held-out candidates."""
    subjects = _Subjects(study)
    candidates = _Candidates(study)
    return Findings(
        title="What was learned, elsewhere",
        sentences=[*subjects.sentences(), *candidates.sentences()],
        figures=[
            Figure("subjects", subjects.plot(), f"Held out: {', '.join(subjects.held)}. With 95 % intervals."),
            Figure(
                "candidates", candidates.plot(), "Candidates that the model was not trained on, with 95 % intervals."
            ),
        ],
        tables=[subjects.table(), candidates.table()],
        report={"subjects": subjects.report(), "candidates": candidates.report()},
        notes=(
            (
                "All candidates boot, the best-ranked one alone goes on. Both models are judged on the same "
                "held-out prompts; "
                "one has learned from other subjects only, the other from all, in folds."
            ),
            (
                "Unseen candidates are those of odd rank by quality on the training prompts; the model is "
                "trained on the "
                "others. Calibration prompts are drawn from the training prompts: their mean is all that is "
                "known of an "
                f"unseen candidate, and {_BEST_BY} picks by it alone."
            ),
        ),
    )


class _Subjects:
    """The learned ranking on held-out subjects, by boot length."""

    def __init__(self, study: Study) -> None:
        judged = study.data.test
        categories = [prompt.category for prompt in judged.questions.recording.prompts]
        self.held = _held_out(categories)
        held = np.array([category in self.held for category in categories])
        inside, outside = np.flatnonzero(held), np.flatnonzero(~held)
        if len(inside) < _LEAST_HELD or len(outside) < _LEAST_HELD:
            held_out = ", ".join(self.held)
            raise DataError(
                f"{len(inside)} prompts of {held_out} against {len(outside)} others are too few to transfer"
            )
        self.prompts = len(inside)
        boot = study.boot(judged)
        self.lengths = sorted({max(5, boot // 2), boot, boot * 2, boot * 4})
        test = judged.take(inside)
        own = [
            Split(np.concatenate([outside, inside[train]]), indices)
            for train, indices in folds(test.questions.prompts, len(study.data.splits) + 1, study.seed)
        ]
        self._study = study
        other = self._outcomes(Data(test, judged, [Split(outside, np.arange(len(test)))], []), _OTHER)
        self.outcomes = {**self._outcomes(Data(test, judged, own, []), _OWN), **other}
        self.single = f"{BEST_SINGLE}, {_OWN}"
        self.rows = frame(self.outcomes, Bootstrap(test.questions.prompts, study.seed), self.single)

    def _outcomes(self, data: Data, kind: str) -> dict[str, Outcomes]:
        study = self._study

        def policies(number: int, train: LabelledData) -> list[Policy]:
            model = study.trained.on(f"{kind}-{number}", train)
            single = BestSingle()
            single.name = f"{BEST_SINGLE}, {kind}"
            routes = [
                ranker("learned", length, train, study.prices, model, suffix=f" B={length}, {kind}")
                for length in self.lengths
            ]
            return [single, *routes]

        outcomes = run_policies(data, policies, study.accounts, study.parts, study.progress)
        del outcomes["oracle"]
        return outcomes

    def _points(self, kind: str) -> list[tuple[float, Estimate]]:
        return [(length, self.rows[f"learned B={length}, {kind}"].quality) for length in self.lengths]

    def sentences(self) -> list[str]:
        """Returns the findings."""
        text = [
            f"{length} boot tokens: {self.rows[f'learned B={length}, {_OTHER}'].quality.mean:.4f} against "
            f"{self.rows[f'learned B={length}, {_OWN}'].quality.mean:.4f}"
            for length in self.lengths
        ]
        return [
            (
                f"On {self.prompts} prompts of held-out subjects ({', '.join(self.held)}), trained on other "
                "subjects against "
                f"trained on these too: {'; '.join(text)}. best-single: {self.rows[self.single].quality.mean:.4f}."
            )
        ]

    def plot(self) -> bytes:
        """Returns a plot of quality by boot length."""
        single = self.rows[self.single].quality
        series = {kind: self._points(kind) for kind in (_OTHER, _OWN)}
        series[BEST_SINGLE] = [(length, single) for length in self.lengths]
        return plots.lines(series, "boot tokens", "quality", "Held-out subjects", log=True)

    def table(self) -> Table:
        """Returns the table of all figures."""
        rows = [row.cells for row in self.rows.values()]
        return Table(f"Held-out subjects, {self.prompts} prompts", _HEAD, rows)

    def report(self) -> dict[str, object]:
        """Returns the figures for programs."""
        return {
            "held_out": list(self.held),
            "prompts": self.prompts,
            "figures": [row.report for row in self.rows.values()],
        }


class _Candidates:
    """The learned ranking of held-out candidates, by the number of calibration prompts."""

    def __init__(self, study: Study) -> None:
        train = study.first_train
        order = [int(model) for model in np.argsort(-train.quality.mean(axis=0), kind="stable")]
        names = study.data.test.questions.models
        self.unseen = tuple(names[model] for model in order[0::2])
        self.seen = tuple(names[model] for model in order[1::2])
        data = Data(
            _of_models(study.data.test, self.unseen),
            None if study.data.train is None else _of_models(study.data.train, self.unseen),
            study.data.splits,
            [],
        )
        source = study.data.test if study.data.train is None else study.data.train

        def policies(number: int, unseen: LabelledData) -> list[Policy]:
            known = _of_models(source.take(study.data.splits[number].train), self.seen)
            model = study.trained.on(f"seen-{number}", known)
            boot = study.boot(unseen)
            calibrated: list[Policy] = []
            for count in _CALIBRATION:
                drawn = np.random.default_rng(study.seed).permutation(len(unseen))[:count]
                route = ranker("learned", boot, unseen, study.prices, model, suffix=f", {count} prompts")
                calibrated.append(_Calibrated(route, unseen.take(drawn)))
                if count:
                    calibrated.append(_ByCalibration(count, drawn))
            return [BestSingle(), *calibrated]

        outcomes = run_policies(data, policies, study.accounts, study.parts, study.progress)
        self.rows = frame(outcomes, study.bootstrap, BEST_SINGLE)
        learned, known = (outcomes[f"{who}, {_TOLD} prompts"].quality for who in ("learned", _BEST_BY))
        self.gain_as_known = study.bootstrap.mean(learned - known)

    def sentences(self) -> list[str]:
        """Returns the findings."""
        gain = self.rows[f"learned, {_TOLD} prompts"].gain
        text = ", ".join(
            f"{count}: {self.rows[f'learned, {count} prompts'].quality.mean:.4f}" for count in _CALIBRATION
        )
        return [
            (
                f"On unseen candidates ({', '.join(self.unseen)}), by calibration prompts: {text}. The best "
                "single one of "
                f"them, known from all training prompts: {self.rows[BEST_SINGLE].quality.mean:.4f}."
            ),
            (
                f"On unseen candidates with {_TOLD} calibration prompts the learned ranking is {_verdict(gain)} the "
                f"best single one among them, which is known from all training prompts: {gain.difference}. It is "
                f"{_verdict(self.gain_as_known)} the one that is best on these {_TOLD} prompts: "
                f"{self.gain_as_known.difference}."
            ),
        ]

    def plot(self) -> bytes:
        """Returns a plot of the quality of each policy."""
        return plots.intervals(
            {name: row.quality for name, row in self.rows.items() if name != "oracle"}, "quality", "Unseen"
        )

    def table(self) -> Table:
        """Returns the table of all figures."""
        rows = [row.cells for row in self.rows.values()]
        return Table(f"Unseen candidates: {', '.join(self.unseen)}", _HEAD, rows)

    def report(self) -> dict[str, object]:
        """Returns the figures for programs."""
        return {
            "unseen": self.unseen,
            "seen": self.seen,
            "gain_best_by_calibration": self.gain_as_known._asdict(),
            "figures": [row.report for row in self.rows.values()],
        }


class _Calibrated:
    """A route to candidates that are known only from calibration prompts."""

    def __init__(self, route: Routed, calibration: LabelledData) -> None:
        self.name = route.name
        self.about = f"{route.about} What is known of a candidate is its mean on {len(calibration)} prompts."
        self.boot_tokens = route.boot_tokens
        self._route = route
        self._calibration = calibration

    def fit(self, train: LabelledData) -> None:
        """Evaluates the candidates on the calibration prompts."""
        self._route.fit(train)
        count = len(self._calibration)
        means = self._calibration.quality.mean(axis=0) if count else np.full(len(train.questions.models), 0.5)
        self._route.priors = [float(mean) for mean in means]
        if count:
            names = pool_names(train.questions.models).values()
            self._route.evaluations = {
                name: Evaluation(score=mean, score_low=mean, score_high=mean, prompts=count)
                for name, mean in zip(names, self._route.priors, strict=True)
            }

    def decide(self, questions: Questions) -> list[Decision]:
        """Routes each prompt."""
        return self._route.decide(questions)


class _ByCalibration(BestSingle):
    """Sends every prompt to the model that is best on the calibration prompts."""

    def __init__(self, count: int, drawn: Ints) -> None:
        super().__init__()
        self.name = f"{_BEST_BY}, {count} prompts"
        self._drawn = drawn

    def fit(self, train: LabelledData) -> None:
        """Finds the best model on the calibration prompts."""
        super().fit(train.take(self._drawn))


def _verdict(gain: Estimate) -> str:
    if gain.low > 0:
        return "better than"
    return "worse than" if gain.high < 0 else "not established to differ from"


_HEAD: Final = ("policy", "quality", "95 %", "to best-single", "95 %")


def _held_out(categories: Sequence[str]) -> list[str]:
    """Returns the reasoning-heavy subjects, or the most frequent subject if the recording has none of them."""
    found = sorted(_REASONING & set(categories))
    return found or [Counter(categories).most_common(1)[0][0]]


def _of_models(judged: LabelledData, models: tuple[str, ...]) -> LabelledData:
    """Returns the same prompts with the answers of these models only."""
    prompts = [
        replace(prompt, responses={model: prompt.responses[model] for model in models})
        for prompt in judged.recording.recording.prompts
    ]
    labels = [
        replace(each, quality={model: each.quality[model] for model in models}) for each in judged.recording.labels
    ]
    return LabelledData.of(LabelledRecording(Recording(prompts), labels), models, judged.questions.pattern)
