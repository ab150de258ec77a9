"""Training sees what serving sees: the answers that the caller's pattern finds."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab.dataset import patterns
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.dataset.splits import folds
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.results.parts import Parts
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.lab.training.trained import Trained
from lightrouter.recording import prices
from lightrouter.recording.load import load_labelled
from lightrouter.v1.policy_pb2 import AnswerPattern
from tests import recordings

MODELS = ("one", "two", "three", "four", "five")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    """Five equal models that find numbers: the right one is found by several, a wrong one by one."""
    drawn = random.Random(2)
    lines = []
    for number in range(160):
        right = drawn.randrange(1_000, 9_999)
        responses = {}
        for model in MODELS:
            correct = drawn.random() < 0.55
            found = right if correct else drawn.randrange(1_000, 9_999)
            words = " ".join(drawn.choices(["so", "we", "add", "what", "remains", "of", "it"], k=8))
            responses[model] = {"text": f"The total is {found}, {words}.", "quality": float(correct)}
        lines.append({"id": f"p{number}", "prompt": f"Sum {number}?", "answer": str(right), "responses": responses})
    recording = load_labelled(recordings.write(tmp_path_factory.mktemp("numbers") / "recording.jsonl", lines))
    return LabelledData.of(recording, MODELS, patterns.infer(labels.answer for labels in recording.labels))


def test_on_numbers_the_learned_selector_is_not_below_consensus(numbers: LabelledData) -> None:
    split = folds(numbers.questions.prompts, 2, 0)[0]
    learned_from, judged_on = numbers.take(split.train), numbers.take(split.test)
    trained = train([learned_from.recording], TrainingOptions(boot_tokens=(20,), rounds=60), 0).model
    assert trained.pattern == numbers.questions.pattern is not None

    def quality(kind: str) -> float:
        policy = ranker(kind, 20, learned_from, prices.load(), lambda: trained)
        policy.fit(learned_from)
        decisions = policy.decide(judged_on.questions)
        return float(np.mean([judged_on.quality[index, each.answer] for index, each in enumerate(decisions)]))

    consensus = quality("consensus")
    assert quality("learned") >= consensus > quality("random") + 0.1


def test_a_model_is_trained_with_the_pattern_that_it_is_asked_with(numbers: LabelledData, tmp_path: Path) -> None:
    asked_with = AnswerPattern(re2=r"total is (\d)")
    judged = LabelledData.of(numbers.recording, MODELS, asked_with)
    trained = Trained(Parts(tmp_path / "run", {}, resume=False), 0, options=TrainingOptions((20,), rounds=2))
    model = trained.on("split", judged)()
    assert model is not None
    assert model.pattern == asked_with != numbers.questions.pattern
