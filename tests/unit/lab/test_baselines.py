from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies import oracle
from lightrouter.lab.policies.baselines.cascade import Cascade
from lightrouter.lab.policies.baselines.ensemble import (
    Blender,
    MixtureOfAgents,
    full_majority,
    full_weighted,
    prior_top,
)
from lightrouter.lab.policies.baselines.routing import NearestPrompts, PromptOnly
from lightrouter.lab.policies.baselines.single import BestSingle, Random, Single
from lightrouter.lab.policies.baselines.votes import winner
from lightrouter.lab.policies.decision import Decision, Policy
from tests.unit.lab import pool


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    return pool.judged(pool.record(tmp_path_factory.mktemp("train") / "recording.jsonl.gz", 300, seed=1))


@pytest.fixture(scope="module")
def test(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    path: Path = tmp_path_factory.mktemp("test") / "recording.jsonl.gz"
    return pool.judged(pool.record(path, 300, seed=2, first=300))


def _mean(decisions: list[Decision], test: LabelledData) -> float:
    answers = [decision.answer for decision in decisions]
    return float(np.mean([test.quality[index, answer] for index, answer in enumerate(answers) if answer is not None]))


def _decided(policy: Policy, train: LabelledData, test: LabelledData) -> list[Decision]:
    policy.fit(train)
    decisions = policy.decide(test.questions)
    assert len(decisions) == len(test)
    return decisions


def test_the_best_single_is_the_best_of_the_training_prompts(train: LabelledData, test: LabelledData) -> None:
    decisions = _decided(BestSingle(), train, test)
    best = int(train.quality.mean(axis=0).argmax())
    assert {decision.answer for decision in decisions} == {best}
    assert _decided(Single(best, "it"), train, test) == decisions


def test_chance_asks_everyone_equally_often(train: LabelledData, test: LabelledData) -> None:
    asked = np.bincount([decision.answer or 0 for decision in _decided(Random(0), train, test)], minlength=3)
    assert asked.min() > 70


@pytest.mark.parametrize("policy", [NearestPrompts(), PromptOnly()])
def test_a_baseline_that_reads_the_prompt_learns_which_model_is_good_at_what(
    policy: Policy, train: LabelledData, test: LabelledData
) -> None:
    best = _mean(_decided(BestSingle(), train, test), test)
    assert _mean(_decided(policy, train, test), test) > best + 0.08


def test_the_cascade_stops_where_it_is_content(train: LabelledData, test: LabelledData) -> None:
    decisions = _decided(Cascade(), train, test)
    assert _mean(decisions, test) > _mean(_decided(BestSingle(), train, test), test)
    asked = [len(decision.stages) for decision in decisions]
    assert max(asked) <= 3
    assert all(len(stage) == 1 for decision in decisions for stage in decision.stages)


def test_ensembles_pay_for_every_whole_answer(train: LabelledData, test: LabelledData) -> None:
    for policy in (full_majority(), full_weighted()):
        for index, decision in enumerate(_decided(policy, train, test)):
            (calls,) = decision.stages
            assert sum(call.output_tokens for call in calls) == test.questions.output_tokens[index].sum()
    (calls,) = _decided(prior_top(2), train, test)[0].stages
    assert len(calls) == 2


def test_a_baseline_that_writes_a_new_text_has_a_cost_and_no_quality(train: LabelledData, test: LabelledData) -> None:
    full = test.questions.output_tokens.sum(axis=1)
    for policy in (MixtureOfAgents(), Blender()):
        for index, decision in enumerate(_decided(policy, train, test)):
            assert decision.answer is None
            assert sum(call.output_tokens for stage in decision.stages for call in stage) > full[index]
    pairs = _decided(Blender(), train, test)[0].stages[1]
    assert len(pairs) == 3
    assert {call.output_tokens for call in pairs} == {0}


def test_no_policy_beats_the_oracle(train: LabelledData, test: LabelledData) -> None:
    decisions = oracle.decide(test.questions, test.quality)
    assert _mean(decisions, test) == test.quality.max(axis=1).mean()
    for policy in (BestSingle(), PromptOnly(), full_majority()):
        assert _mean(_decided(policy, train, test), test) <= _mean(decisions, test)


def test_the_answer_with_most_votes_wins_by_its_first_holder() -> None:
    assert winner(["a", "b", "b"], ["", "", ""], [1, 1, 1], [0, 2, 1]) == 2
    assert winner(["a", "b", "b"], ["", "", ""], [3, 1, 1], [1, 2, 0]) == 0
    assert winner(["a", "b", None], ["", "", ""], [1, 1, 9], [1, 0, 2]) == 1
    assert winner([None, "b", None], ["", "", ""], [9, 1, 9], [0, 1, 2]) == 1


def test_the_text_that_agrees_most_wins_without_answers() -> None:
    texts = ["The sky is blue by day.", "The sky is blue at day.", "Elephants are heavy animals."]
    assert winner([None] * 3, texts, [1, 1, 1], [2, 0, 1]) in {0, 1}
    assert winner([None] * 3, ["same"] * 3, [1, 1, 1], [2, 0, 1]) == 2


@pytest.mark.parametrize(
    "evasion",
    [
        "I'm sorry, but I can't help with that.",
        "I can't check live prices, so please look at your broker's site.",
        "Ich kann keine Links öffnen.",
        "Why is the sky blue?",
        "Sure! Let me think.",
        '{"error": {"message": "try later"}}',
    ],
)
def test_what_answers_nothing_has_no_vote(evasion: str) -> None:
    texts = [evasion, evasion, "Air scatters blue light more than red.", "Blue light is scattered by air."]
    prompt = ["Why is the sky blue?"]
    assert winner([None] * 4, texts, [1, 1, 1, 1], [0, 1, 2, 3], prompt) == 2
    assert winner([None] * 4, texts, [1, 1, 1, 1], [0, 1, 3, 2], prompt) == 3
    # If none answers, all vote; an answer that a pattern finds is one, whatever its text.
    assert winner([None] * 2, [evasion, evasion], [1, 1], [1, 0], prompt) == 1
    assert winner(["a", None, None, None], texts, [1, 1, 1, 1], [2, 3, 1, 0], prompt) == 0
