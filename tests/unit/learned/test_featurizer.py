"""What is read of a prompt and of its partials is the same in training and in serving, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.quality import Situation
from lightrouter.learned.features import NAMES, Candidate, PartialAnswer, Question, question
from lightrouter.learned.featurizer import Featurizer, answer_in
from lightrouter.learned.model import Model
from lightrouter.learned.options import options
from lightrouter.learned.priors import Example, Neighbours, Priors
from lightrouter.learned.trees import Tree
from lightrouter.learned.words import hashed_words
from lightrouter.recording.load import load_labelled
from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.learned import Learned
from lightrouter.selector.prior import Prior
from lightrouter.selector.selector import Selector
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ROLE_ASSISTANT, ROLE_USER, ChatMessage, FinishReason
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LEARNED, AnswerPattern
from lightrouter.v1.selector_pb2 import SelectRequest
from tests import recordings

NUMBER = AnswerPattern(re2=r"(\d+)")
LETTER = AnswerPattern(re2=r"\b([A-D])\b")
LISTED = "Which?\nA. 12 apples\nB. 14 pears\n"
TREES = [Tree([-1], [0.0], [0], [0])]
TEXTS = {"a": "We add, then the answer is 12. So (A).", "b": "It is 14, that is B.", "c": "", "d": "no idea: 7"}


def asked(prompt: str) -> Question:
    return question(prompt, Neighbours())


@pytest.mark.parametrize(
    ("prompt", "text", "pattern", "answer"),
    [
        # The caller's pattern counts, whatever lettered lines stand in whatever turn.
        (LISTED, "So it is B, 14 pears.", NUMBER, "14"),
        (f"{LISTED}\n\nB.\n\nNow add 3 and 4.", "3 and 4 make 7.", NUMBER, "7"),
        (
            f"You grade like this:\nA) good\nB) bad\n\n{LISTED}",
            '{"total": 5}',
            AnswerPattern(json_pointer="/total"),
            "5",
        ),
        (LISTED, "The answer is A? No. Final: B", AnswerPattern(re2=r"Final: (\w)"), "B"),
        (LISTED, "So it is B.", AnswerPattern(re2=r"Final: (\w)"), None),
        # A letter is the option's, as it stands in the prompt.
        (LISTED, "I take b", AnswerPattern(re2=r"take (\w)"), "B"),
        ("What is 3 + 4?", "That makes 7.00", AnswerPattern(re2=r"([\d.]+)"), "7"),
        # Without a pattern it is the option that the text is for.
        (LISTED, "So it is B, 14 pears.", None, "B"),
        ("What is 3 + 4?", "That makes 7.", None, None),
    ],
)
def test_the_pattern_of_the_caller_says_what_is_comparable(
    prompt: str, text: str, pattern: AnswerPattern | None, answer: str | None
) -> None:
    assert answer_in(text, pattern, asked(prompt)) == answer


def test_a_number_is_no_options_place() -> None:
    partials = [PartialAnswer(Candidate("a", 0.5, 0), "It is 7.", complete=True)]
    priors = Priors(["a"], [Example({1: 1}, [1.0], [4])])
    for prompt in ("What is 3 + 4?", LISTED):
        (row,) = Featurizer(priors).rows(prompt, partials, NUMBER)
        assert row[NAMES.index("has_answer")] == 1
        assert row[NAMES.index("answer_place")] == -1
        assert row[NAMES.index("option_length")] == -1


@pytest.mark.parametrize("pattern", [NUMBER, LETTER, None])
@pytest.mark.parametrize(
    "turns",
    [
        ["What is 3 + 4?"],
        [LISTED],
        [LISTED, "B.", "And what is 3 + 4?"],
        ["word " * 30_000 + "7 8 9 " * 2_000, "Yes?", LISTED],
        ["日本の首都は\nA、東京\nB、大阪"],
    ],
)
async def test_rows_of_training_and_of_serving_are_equal(
    pattern: AnswerPattern | None, turns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = ["user", "assistant"] * 2
    messages = [{"role": role, "content": turn} for role, turn in zip(roles, turns, strict=False)]
    lines = [recordings.line(f"Question {n}: apples 12?", TEXTS, number=n) for n in range(5)]
    own = recordings.line("", TEXTS, number=9, answer="no letter") | {"messages": messages}
    del own["prompt"]
    path = recordings.write(tmp_path / "recording.jsonl", [*lines, own])
    cases = Cases.of([load_labelled(path)], pattern)
    trained = cases.cases[-1]
    priors = cases.take(range(5)).priors()
    made: list[list[list[float]]] = []
    written: list[PartialAnswer] = []
    rows = Featurizer.rows

    def seen(self: Featurizer, prompt: str, partials: Sequence[PartialAnswer], *given: Any) -> list[list[float]]:
        written[:] = partials
        made.append(rows(self, prompt, partials, *given))
        return made[-1]

    monkeypatch.setattr(Featurizer, "rows", seen)
    Situation(trained, Featurizer(priors)).rows({0: 5, 1: None, 2: None, 3: 2})
    partials = [
        Partial(
            candidate=f"candidate-{index}",
            model=each.candidate.name,
            text=each.text,
            finish_reason=FinishReason.FINISH_REASON_STOP if each.complete else FinishReason.FINISH_REASON_LENGTH,
        )
        for index, each in enumerate(written)
    ]
    request = SelectRequest(
        messages=[
            ChatMessage(role=ROLE_ASSISTANT if turn["role"] == "assistant" else ROLE_USER, content=turn["content"])
            for turn in messages
        ],
        partials=partials,
        answer_pattern=pattern,
    )
    model = Model(priors, TREES, 0.3)
    learned = Learned(lambda: model, Prior())
    selector = Selector({SELECTOR_STRATEGY_LEARNED: learned}, SELECTOR_STRATEGY_LEARNED)
    response = await selector.select(request, Deadline.after(60))
    assert response.strategy == SELECTOR_STRATEGY_LEARNED
    in_training, in_serving = made
    assert in_serving == in_training


@pytest.mark.parametrize("reason", FinishReason.values())
async def test_only_a_text_that_ended_by_itself_is_whole(reason: FinishReason.ValueType) -> None:
    model = Model(Priors(["a"], [Example({1: 1}, [1.0], [40])]), TREES, 0.3)
    selector = Selector({SELECTOR_STRATEGY_LEARNED: Learned(lambda: model, Prior())}, SELECTOR_STRATEGY_LEARNED)
    partial = Partial(candidate="a", text="It is", finish_reason=reason)
    request = SelectRequest(messages=[ChatMessage(role=ROLE_USER, content="What?")], partials=[partial])
    response = await selector.select(request, Deadline.after(60))
    # A whole text takes no more tokens.
    left = response.ranking.candidates[0].expected_tokens
    assert (left == 0) == (reason == FinishReason.FINISH_REASON_STOP)


def test_the_pattern_of_training_counts_if_the_request_has_none() -> None:
    priors = Priors(["a", "b"], [Example({1: 1}, [1.0, 1.0], [4, 4])])
    index = NAMES.index("support")
    # The supported candidate is right.
    trees = [Tree([index, -1, -1], [0.01, -1.0, 1.0], [1, 0, 0], [2, 0, 0])]
    texts = {"a": "so 7", "b": "7", "c": "8"}
    written = [PartialAnswer(Candidate(name, 0.5, 0), text, complete=True) for name, text in texts.items()]
    bare, taught = Model(priors, trees, 0.3), Model(priors, trees, 0.3, pattern=NUMBER)
    qualities = [each.quality for each in taught.estimates("What?", written)]
    assert qualities == [each.quality for each in bare.estimates("What?", written, NUMBER)]
    assert qualities[0] == qualities[1] > qualities[2]
    assert len({each.quality for each in bare.estimates("What?", written)}) == 1
    other = AnswerPattern(re2=r"(so)")
    assert taught.estimates("What?", written, other) == bare.estimates("What?", written, other)


def test_the_cache_keeps_little_of_long_conversations() -> None:
    model = Model(Priors(["a"], [Example(hashed_words("What is it?"), [1.0], [4])]), TREES, 0.3)
    long = "What is it? " * 100_000
    for number in range(3 * 256):
        model.expected(f"{number} {long}" if number < 8 else f"What is {number}?", [])
    kept = model.featurizer._questions._values
    assert len(kept) == 256
    assert all(len(key) == 16 for key in kept)
    asked_again = model.featurizer.question("What is 767?")
    assert asked_again is model.featurizer.question("What is 767?")
    held = max(
        sum(map(len, each.words)) + sum(len(w) for o in each.options.values() for w in o.words)
        for each in kept.values()
    )
    assert held < 10_000


def test_prompts_that_differ_are_told_apart_however_long_they_are() -> None:
    model = Model(Priors(["a"], [Example(hashed_words("What is it?"), [1.0], [4])]), TREES, 0.3)
    drawn = random.Random(0)
    long = "".join(drawn.choices("abcdefgh ", k=100_000))
    prompts = [long, long + " 1", "1 " + long, long[:50_000] + long[50_001:]]
    assert len({id(model.featurizer.question(prompt)) for prompt in prompts}) == 4
    assert options(f"{long}\n{LISTED}").keys() == {"A", "B"}
