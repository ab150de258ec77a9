"""Training: the same from the same, nothing from shuffled labels, and the trees score as the library's."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from lightrouter.lab.training import quality, validate
from lightrouter.lab.training.boosting import trees_of
from lightrouter.lab.training.cases import Cases, TrainingError
from lightrouter.lab.training.forest import Forest
from lightrouter.lab.training.quality import Situation, TrainingOptions, fit, situations
from lightrouter.lab.training.train import train
from lightrouter.learned.artifact import save
from lightrouter.learned.features import NAMES, PartialAnswer
from lightrouter.learned.featurizer import Featurizer
from lightrouter.learned.model import Model
from lightrouter.learned.trees import probability
from lightrouter.recording.recording import LabelledRecording, Labels, RecordedPrompt, Recording, Response
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage

OPTIONS = TrainingOptions(boot_tokens=(5,), rounds=40)
SUBJECTS = {"cats": "cats purr whiskers", "stars": "stars orbit galaxies"}


def recording(prompts: int, *, shuffled: bool = False, seed: int = 0) -> LabelledRecording:
    """Each of two models is right on one of two subjects, and `strong` nearly always."""
    drawn = random.Random(seed)
    recorded: list[RecordedPrompt] = []
    quality: list[dict[str, float]] = []
    for number in range(prompts):
        subject = drawn.choice(sorted(SUBJECTS))
        text = f"{SUBJECTS[subject]} question w{chr(97 + number % 26)}"
        right = {"cats": subject == "cats", "stars": subject == "stars"}
        quality.append({name: float(good if drawn.random() < 0.9 else not good) for name, good in right.items()})
        responses = {name: _response(f"An answer of {name} that goes on for a while. {number}") for name in right}
        message = ChatMessage(role=ROLE_USER, content=text)
        recorded.append(RecordedPrompt(str(number), "", (message,), 10, responses))
    if shuffled:
        drawn.shuffle(quality)
    return LabelledRecording(Recording(recorded), [Labels(None, each, {}) for each in quality])


def _response(text: str) -> Response:
    return Response(text=text, counted_tokens=10, output_tokens=10)


def picked(trained_on: LabelledRecording, judged_on: LabelledRecording) -> float:
    model = fit(Cases.of([trained_on]), OPTIONS, 0)
    cases = Cases.of([judged_on])
    found: list[float] = []
    for case in cases.cases:
        rows = Situation(case, model.featurizer).rows(dict.fromkeys(case.present, 5))
        best = int(np.argmax([model.quality(row) for row in rows]))
        found.append(case.example.quality[best] or 0.0)
    return float(np.mean(found))


def test_it_learns_who_is_good_at_what_and_nothing_from_shuffled_labels() -> None:
    judged_on = recording(300, seed=1)
    assert picked(recording(300), judged_on) > 0.85
    assert picked(recording(300, shuffled=True), judged_on) < 0.65


def test_features_of_a_prompt_leave_out_its_own_outcome() -> None:
    cases = Cases.of([recording(60)])
    for situation in situations(cases, 0):
        texts = {case.text for case in cases.cases} - {situation.case.text}
        own = situation.case.example
        assert all(example is not own for example in situation.featurizer.priors.examples)
        assert len(situation.featurizer.priors.examples) <= sum(case.text in texts for case in cases.cases)


@pytest.mark.parametrize(("prompts", "share"), [(50, 1 / (1 + 0.05**2)), (500, 0.8)])
def test_the_fewer_prompts_there_are_the_more_the_linear_model_counts(prompts: int, share: float) -> None:
    model = fit(Cases.of([recording(prompts)]), TrainingOptions((5,), rounds=1), 0)
    assert model.linear is not None
    assert model.linear.share == pytest.approx(share, rel=1e-9)


def test_a_tenth_of_what_is_learned_from_is_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate whose outcomes nobody recorded is known by its prior alone; others never are."""
    known: list[bool] = []
    rows = Featurizer.rows

    def seen(self: Featurizer, prompt: str, partials: Sequence[PartialAnswer], *given: Any) -> list[list[float]]:
        strange = {each.candidate.name not in self.priors.candidates for each in partials}
        assert len(strange) == 1
        known.extend(strange)
        return rows(self, prompt, partials, *given)

    monkeypatch.setattr(Featurizer, "rows", seen)
    fit(Cases.of([recording(300)]), TrainingOptions((5,), rounds=1), 0)
    assert sum(known) / len(known) == pytest.approx(0.1, abs=0.03)


def test_the_same_training_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(train([recording(80)], OPTIONS, 3), tmp_path / name)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_the_trees_score_as_the_library_does() -> None:
    drawn = np.random.default_rng(0)
    rows = drawn.normal(size=(500, 6)).round(2)
    target = (rows[:, 0] * rows[:, 1] + rows[:, 2] > 0).astype(float)
    parameters = {"objective": "cross_entropy", "num_leaves": 15, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, target), 30)
    trees = trees_of(booster)
    fresh = np.vstack([drawn.normal(size=(200, 6)), rows[:100], np.zeros((1, 6))])
    assert [probability(trees, row) for row in _rows(fresh)] == pytest.approx(booster.predict(fresh), abs=1e-12)


def test_many_rows_score_as_each_alone() -> None:
    model = fit(Cases.of([recording(80)]), OPTIONS, 0)
    rows = _rows(np.random.default_rng(0).normal(size=(50, len(NAMES))).round(2))
    assert Forest(model).qualities(rows) == pytest.approx([model.quality(row) for row in rows], abs=1e-12)


def _rows(array: np.ndarray) -> Sequence[Sequence[float]]:
    return [[float(value) for value in row] for row in array]


def test_gains_and_the_length_of_tokens_are_learned_with_the_quality() -> None:
    model = train([recording(80)], OPTIONS, 0).model
    assert model.gains is not None
    assert model.gains.first
    length = len("An answer of cats that goes on for a while. 10")
    assert model.characters_per_token == pytest.approx({"cats": length / 10, "stars": (length + 1) / 10}, abs=0.02)


def test_gains_can_be_left_out() -> None:
    assert train([recording(40)], replace(OPTIONS, gains=False), 0).model.gains is None


def test_training_without_quality_is_refused() -> None:
    bare = recording(30)
    unlabelled = LabelledRecording(bare.recording, [Labels(None, {}, {}) for _ in bare.labels])
    with pytest.raises(TrainingError, match="quality"):
        train([unlabelled], OPTIONS, 0)


class _Unseen:
    """Progress that nobody follows."""

    def expect(self, steps: int) -> None:
        """Counts nothing."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """Shows nothing."""
        del name
        return nullcontext()


def test_figures_are_of_prompts_that_were_not_learned_from() -> None:
    """One of two candidates is always right; no feature tells which: only a model that has seen the prompt knows."""
    artifact, plot = validate.trained([recording(160, shuffled=True)], OPTIONS, 0, 2, _Unseen())
    mean, low, high = artifact.metrics["picked_quality"]
    assert low < 0.5 < high
    assert mean == pytest.approx(0.5, abs=0.15)
    assert plot is not None
    for point in artifact.metrics["worths"]:
        mean, low, high = point["quality"]
        assert low < 0.5 < high
        assert mean == pytest.approx(0.5, abs=0.15)


def test_gains_learn_from_the_models_of_the_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures and gains need models that have not seen the prompt: these are trained once."""
    fitted: list[int] = []
    fit_once = quality.fit

    def counted(cases: Cases, options: TrainingOptions, seed: int) -> Model:
        fitted.append(len(cases.cases))
        return fit_once(cases, options, seed)

    monkeypatch.setattr(quality, "fit", counted)
    artifact, _ = validate.trained([recording(80)], OPTIONS, 0, 4, _Unseen())
    assert artifact.model.gains is not None
    assert len(fitted) == 4
    assert sum(fitted) == 3 * 80
