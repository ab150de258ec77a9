"""The gain of one more answer is learned on outcomes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain
from statistics import fmean
from typing import ClassVar

import pytest

from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.gains import Sample, Sequences, Teacher, fit_gains, steps
from lightrouter.lab.training.quality import Situation, TrainingOptions, cross_fitted, fit
from lightrouter.learned.features import Candidate, PartialAnswer, question
from lightrouter.learned.featurizer import Featurizer
from lightrouter.learned.gain import NAMES, OVERALL, Gains, Known, rows
from lightrouter.learned.joint import Joint
from lightrouter.recording.recording import LabelledRecording, Labels, RecordedPrompt, Recording, Response
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage
from lightrouter.v1.policy_pb2 import AnswerPattern

OPTIONS = TrainingOptions(boot_tokens=(5,), rounds=5)
NUMBER = AnswerPattern(number=True)
"""Right answers are 1; whoever is wrong says another number."""


def cases(prompts: int) -> Cases:
    """`weak` is right on half of the prompts, `strong` on nine in ten, and `copy` where `weak` is."""
    drawn = random.Random(0)
    recorded: list[RecordedPrompt] = []
    labels: list[Labels] = []
    for number in range(prompts):
        weak = float(drawn.random() < 0.5)
        quality = {"weak": weak, "copy": weak, "strong": float(drawn.random() < 0.9)}
        responses = {
            name: Response(text=f"The answer is {1 if right else 2}.", counted_tokens=9, output_tokens=9)
            for name, right in quality.items()
        }
        message = ChatMessage(role=ROLE_USER, content=f"question w{chr(97 + number % 26)} {number}")
        recorded.append(RecordedPrompt(str(number), "", (message,), 10, responses))
        labels.append(Labels("1", quality, {}))
    return Cases.of([LabelledRecording(Recording(recorded), labels)], NUMBER)


def samples(learned: Cases) -> list[list[Sample]]:
    return [list(steps(learned, held, 0)) for held in cross_fitted(learned, OPTIONS, 0, 5)]


def test_a_copy_gains_nothing_and_the_strong_one_does() -> None:
    learned = cases(100)
    gains = fit_gains(samples(learned), 0)
    priors, joint = learned.priors(), Joint([case.example for case in learned.cases])
    known = Known.of(question("question", priors.neighbours("question")), Featurizer(priors), joint)
    strangers = {name: Candidate(name, 0.0, 0) for name in learned.candidates}
    first = dict(zip(strangers, rows(known, [], list(strangers.values())), strict=True))
    assert gains.gain(first["strong"]) > gains.gain(first["weak"]) + 0.2


class _Seen(Gains):
    """Gains that keep the rows that they are asked about."""

    rows: ClassVar[list[list[float]]] = []

    def gain(self, row: Sequence[float]) -> float:
        self.rows.append(list(row))
        return 0.0


@pytest.mark.parametrize("state", [(), (0,), (0, 2)])
def test_a_state_has_the_same_features_in_training_and_in_serving(state: tuple[int, ...]) -> None:
    learned = cases(60)
    model = fit(learned, OPTIONS, 0)
    model.gains = _Seen([], [])
    _Seen.rows.clear()
    case, names = learned.cases[0], learned.candidates
    sequences = Sequences(Situation(case, model.featurizer), Teacher(model))
    trained = [step.row for step in sequences.after(frozenset(state))]
    answers = [
        PartialAnswer(Candidate(names[place], 0.0, 0), case.texts[place] or "", complete=True) for place in state
    ]
    unasked = [Candidate(name, 0.0, 0) for place, name in enumerate(names) if place not in state]
    assert model.outlooks(case.text, answers, unasked) is not None
    for row, other in zip(_Seen.rows, trained, strict=True):
        assert row == pytest.approx(other, abs=1e-12)


def test_steps_tell_the_rise_of_the_picked_answer() -> None:
    learned = cases(40)
    found = list(chain.from_iterable(samples(learned)))
    asked = [step.row[NAMES.index("asked")] for step in found]
    assert set(asked) == {0.0, 1.0, 2.0}
    assert {step.rise for step in found} <= {-1.0, 0.0, 1.0}
    assert all(step.rise >= 0 for step in found if not step.row[0])
    assert fmean(step.rise for step in found if not step.row[0]) > 0.5
    # The same from the same seed.
    assert found == list(chain.from_iterable(samples(learned)))


def first_samples(prompts: int, told: bool) -> list[Sample]:
    """First answers of a good and a bad candidate, who change places on half of the prompts; a feature may tell it."""
    drawn = random.Random(0)
    found: list[Sample] = []
    for number in range(prompts):
        swapped = drawn.random() < 0.5
        shown = float(swapped if told else drawn.random() < 0.5)
        for good in (True, False):
            row = [0.0] * len(NAMES)
            row[OVERALL], row[NAMES.index("near_gap")] = 0.6 if good else 0.4, shown
            row[NAMES.index("expected")] = float(good)
            found.append(Sample(str(number), row, float(good != swapped), 10, 10.0))
    return found


@pytest.mark.parametrize(("told", "trusted"), [(True, True), (False, False)])
def test_trees_choose_the_first_candidate_only_if_they_choose_better_on_other_folds(told: bool, trusted: bool) -> None:
    samples = first_samples(200, told)
    gains = fit_gains([samples[: len(samples) // 2], samples[len(samples) // 2 :]], 0)
    assert (gains.first_share > 0) == trusted


def test_without_another_fold_the_mean_chooses_the_first_candidate() -> None:
    assert fit_gains([first_samples(50, told=True)], 0).first_share == 0
    assert fit_gains([], 0) == Gains([], [], [], 0.0)
