"""What a quote expects of a whole route is what the route costs, on prompts that nothing was learned from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from lightrouter.lab.policies.engine import Engine, opened, selector_with
from lightrouter.lab.policies.routed import entries
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.learned.model import Model
from lightrouter.recording.load import load_labelled
from lightrouter.recording.prices import Price, PriceList
from lightrouter.recording.recording import LabelledRecording, Recording
from lightrouter.router.rules import Defaults
from lightrouter.v1.policy_pb2 import AnswerPattern, Policy
from lightrouter.v1.router_pb2 import Answer, QuoteResponse
from tests import recordings

LETTERS = AnswerPattern(re2=r"\b([A-D])\b")
PRICES = PriceList(
    other=Price(input=1, output=1),
    models={"cheap": Price(input=0.5, output=2), "other": Price(input=3, output=9), "dear": Price(input=5, output=20)},
)
# How often each is right, on sums and on history. Of what `cheap` does not know, it gives no answer.
SKILL = {"cheap": (0.9, 0.4), "other": (0.6, 0.5), "dear": (0.9, 0.9)}
WORDS = (("add", "digit", "total", "carry", "divide", "equals"), ("king", "war", "treaty", "empire", "battle", "reign"))
# Nano-dollars, from `cheap` alone to `dear` alone; between them, `dear` too where `cheap` gives no answer.
WORTHS = [round(10 ** (4.7 + number / 10)) for number in range(25)]
# A choice: the mean of so many bills has a standard error of 2 % beside that of their quotes.
PROMPTS = 400


def record(path: Path, first: int) -> LabelledRecording:
    """Writes and reads a recording of prompts that are numbered from `first`."""
    drawn = random.Random(first)
    lines: list[dict[str, object]] = []
    for number in range(first, first + PROMPTS):
        kind, right = drawn.randrange(2), drawn.choice("ABCD")
        responses: dict[str, object] = {}
        for name, skill in SKILL.items():
            is_right = drawn.random() < skill[kind]
            letter = right if is_right else drawn.choice([each for each in "ABCD" if each != right])
            silent = name == "cheap" and not is_right
            text = "I do not know, and nobody told me." if silent else f"It must be so. The answer is {letter}."
            said = {"text": text, "quality": float(is_right), "output_tokens": 12}
            responses[name] = said if silent else said | {"answer": letter}
        prompt = f"Question {number}: " + " ".join(drawn.sample(WORDS[kind], 4)) + "\nA. one\nB. two\nC. six\nD. ten\n"
        lines.append({"id": f"p{number}", "prompt": prompt, "answer": right, "responses": responses})
    return load_labelled(recordings.write(path, lines))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Recording]:
    """A model, and prompts that it has not seen."""
    folder: Path = tmp_path_factory.mktemp("followups")
    known, asked = record(folder / "known.jsonl", 0), record(folder / "asked.jsonl", PROMPTS)
    options = TrainingOptions(boot_tokens=(5,), rounds=20)
    return train([known], options, 0, LETTERS, prices=PRICES).model, asked.recording


async def routed(
    recorded: tuple[Model, Recording], policies: Sequence[Policy]
) -> tuple[list[QuoteResponse], list[Answer]]:
    """Returns the quotes and the answers for one prompt after the other, each with the next policy."""
    model, recording = recorded
    engine = Engine(
        recording,
        entries(list(SKILL), (0.65, 0.55, 0.9), PRICES),
        defaults=Defaults(Policy(), 1000),
        selector=selector_with(lambda: model),
        seconds=3600,
    )
    async with opened(engine):
        asked = list(zip(recording.prompts, policies, strict=False))
        return [await engine.quote(*each) for each in asked], [await engine.route(*each) for each in asked]


async def test_the_mean_quote_is_the_mean_bill(recorded: tuple[Model, Recording]) -> None:
    policies = [Policy(answer_pattern=LETTERS, worth_nanousd=worth) for worth in WORTHS]
    quotes, answers = await routed(recorded, policies * (PROMPTS // len(WORTHS)))
    assert len(quotes) == PROMPTS
    booked = fmean(each.ledger.cost_nanousd for each in answers)
    assert fmean(each.expected_cost_nanousd for each in quotes) == pytest.approx(booked, rel=0.05)
    # A part of the bill is for further answers, without which it would be wrong.
    assert fmean(each.first[0].actions[0].cost_nanousd for each in quotes) < 0.9 * booked
    for quote, answer in zip(quotes, answers, strict=True):
        assert quote.first[0].candidate == answer.ledger.entries[0].candidate
        assert quote.first[0].actions[0].HasField("further_cost_nanousd")
        assert quote.expected_cost_nanousd <= quote.worst_cost_nanousd


@pytest.mark.parametrize(
    ("policy", "further"),
    [
        ({"worth_nanousd": 600_000}, True),
        ({"worth_nanousd": 600_000, "k": 1}, False),
        ({"worth_nanousd": 0}, False),
        # The ceiling pays for one whole answer of the cheapest candidate.
        ({"worth_nanousd": 600_000, "max_cost_nanousd": 3_000_000}, False),
    ],
)
async def test_a_quote_has_further_answers_where_the_policy_allows_them(
    recorded: tuple[Model, Recording], policy: dict[str, Any], further: bool
) -> None:
    quotes, answers = await routed(recorded, [Policy(answer_pattern=LETTERS, **policy)] * 20)
    assert max(len(each.ledger.entries) for each in answers) == (2 if further else 1)
    for quote in quotes:
        first = quote.first[0].actions[0]
        assert (quote.expected_cost_nanousd > first.cost_nanousd) == further
        assert quote.expected_cost_nanousd == first.cost_nanousd + first.further_cost_nanousd
        assert quote.expected_quality == pytest.approx(min(1.0, first.gain + first.further_gain))
