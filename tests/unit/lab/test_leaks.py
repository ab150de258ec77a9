"""No policy can know what it is judged by."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab.dataset.data import Data
from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.dataset.splits import folds
from lightrouter.lab.policies.baselines.cascade import Cascade
from lightrouter.lab.policies.baselines.ensemble import full_majority
from lightrouter.lab.policies.baselines.routing import NearestPrompts, PromptOnly
from lightrouter.lab.policies.baselines.single import BestSingle, alone
from lightrouter.lab.policies.decision import Decision, Policy
from lightrouter.lab.policies.lightrouter import policies
from lightrouter.lab.results.accounts import Accounts, Pace
from lightrouter.lab.results.parts import Parts
from lightrouter.lab.results.running import Runner
from lightrouter.lab.training.trained import Trained
from lightrouter.recording import prices
from lightrouter.recording.recording import LabelledRecording, Labels
from tests.unit.lab import pool
from tests.unit.lab.test_compare import Steps


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    """Prompts whose labels are those of other prompts: nothing in a text says anything of them."""
    path: Path = tmp_path_factory.mktemp("leaks") / "recording.jsonl.gz"
    judged = pool.judged(pool.record(path, 140, seed=3))
    order = np.random.default_rng(0).permutation(len(judged))
    labels = [judged.recording.labels[index] for index in order]
    return LabelledData.of(LabelledRecording(judged.recording.recording, labels), pool.MODELS, pool.LETTERS)


def _values(thing: object, seen: set[int]) -> Iterator[object]:
    """Yields everything that can be reached from a thing."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield thing
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for each in dataclasses.fields(thing):
            yield from _values(getattr(thing, each.name), seen)
    elif isinstance(thing, dict):
        yield from _values(list(thing), seen)
        yield from _values(list(thing.values()), seen)
    elif isinstance(thing, list | tuple | set | frozenset):
        for each in thing:
            yield from _values(each, seen)


def test_questions_hold_no_label(shuffled: LabelledData) -> None:
    reached = list(_values(shuffled.questions, set()))
    assert not any(isinstance(each, Labels | LabelledRecording | LabelledData) for each in reached)
    arrays = [each for each in reached if isinstance(each, np.ndarray)]
    assert len(arrays) == 5
    assert not any(np.array_equal(each, shuffled.quality) for each in arrays)
    # The same walk finds the labels in an object that has them.
    assert any(isinstance(each, Labels) for each in _values(shuffled, set()))


class _Thief:
    """Tries to take the labels from whatever it is given."""

    name = "thief"
    about = "Steals."
    boot_tokens = 0

    def fit(self, train: LabelledData) -> None:
        """Learns nothing."""

    def decide(self, questions: Questions) -> list[Decision]:
        """Asks the model that a label calls right, or the first if there is no label."""
        decisions = []
        for index, prompt in enumerate(questions.recording.prompts):
            found = [each for each in _values(prompt, set()) if isinstance(each, Labels)]
            quality = found[0].quality if found else {}
            right = [number for number, model in enumerate(questions.models) if quality.get(model)]
            decisions.append(alone(questions, index, right[0] if right else 0))
        return decisions


def test_no_policy_beats_the_best_prior_with_shuffled_labels(shuffled: LabelledData, tmp_path: Path) -> None:
    data = Data(shuffled, None, folds(shuffled.questions.prompts, 2, 0), [])

    def made(number: int, train: LabelledData) -> list[Policy]:
        own = policies(prices.load(), train, trained.on(str(number), train), boot=5)
        return [BestSingle(), NearestPrompts(), PromptOnly(), Cascade(), full_majority(), _Thief(), *own]

    parts = Parts(tmp_path / "parts", {}, resume=False)
    trained = Trained(parts, seed=0, gains=True)
    outcomes = Runner(Accounts(prices.load(), Pace()), parts, Steps()).run(data, made)
    prior = shuffled.quality.mean(axis=0).max()
    # Three standard errors of a share: a policy that knows the labels would be far above.
    most = prior + 3 * float(np.sqrt(prior * (1 - prior) / len(shuffled)))
    assert outcomes.pop("oracle").quality.mean() > most + 0.1
    for name, each in outcomes.items():
        assert each.quality.mean() < most, name


def test_the_real_labels_are_worth_something(shuffled: LabelledData, tmp_path: Path) -> None:
    """The shuffling is what brings the policies down: with the right labels the same ones are far better."""
    judged = pool.judged(pool.record(tmp_path / "recording.jsonl", 240, seed=3))
    (train, test), *_ = Data(judged, None, folds(judged.questions.prompts, 2, 0), []).parts()
    policy = PromptOnly()
    policy.fit(train)
    quality = np.mean([test.quality[index, each.answer] for index, each in enumerate(policy.decide(test.questions))])
    assert quality > shuffled.quality.mean(axis=0).max() + 0.1
