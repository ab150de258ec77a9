"""A made-up recorded pool: one model is good at sums, one at history, one at nothing."""

from __future__ import annotations

import random
from pathlib import Path

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.recording.load import load_labelled
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern
from tests import recordings

LETTERS = AnswerPattern(re2=r"\b([A-D])\b")
MODELS = ("sums", "history", "nothing")
_SKILL = {"sums": {"sum": 0.95, "history": 0.5}, "history": {"sum": 0.3, "history": 0.9}, "nothing": {}}
_WORDS = {
    "sum": ["add", "subtract", "number", "digit", "total", "carry", "multiply", "divide", "equals", "quotient"],
    "history": ["king", "war", "treaty", "empire", "century", "battle", "revolution", "parliament", "dynasty", "reign"],
}
_SURE = "It is certain, for the sum proves it at once."
_UNSURE = "Perhaps, maybe, it might be, but who could know."
_WORDY = {"sums": 1, "history": 2, "nothing": 3}


def record(path: Path, prompts: int, seed: int = 0, *, first: int = 0, free_text: bool = False) -> Path:
    """Writes a recording of `prompts` prompts, numbered from `first`; without right answers if it is free text."""
    rng = random.Random(seed)
    lines = []
    for number in range(first, first + prompts):
        kind = rng.choice(("sum", "history"))
        prompt = f"Question {number}: " + " ".join(rng.sample(_WORDS[kind], 6))
        right = rng.choice("ABCD")
        responses = {}
        for model in MODELS:
            correct = rng.random() < _SKILL[model].get(kind, 0.25)
            letter = right if correct else rng.choice([each for each in "ABCD" if each != right])
            thought = " ".join(rng.choices(_WORDS[kind], k=12 * _WORDY[model]))
            said = {"text": f"{thought}. The answer is ({letter}).", "quality": float(correct)}
            responses[model] = said if free_text else said | {"answer": letter}
        category = "math" if kind == "sum" else kind
        line = {"id": f"p{number}", "category": category, "prompt": prompt, "responses": responses}
        lines.append(line if free_text else line | {"answer": right})
    return recordings.write(path, lines)


def judged(path: Path) -> LabelledData:
    """Returns the recording with its labels, answers read by letter."""
    return LabelledData.of(load_labelled(path), MODELS, LETTERS)


def hedged(
    path: Path, *, telling: bool, options: bool = True, words: int = 150, prompts: int = 180
) -> LabelledRecording:
    """Two models, each right on half of the prompts whatever the other is; who is wrong hedges if that is to tell.

    There are enough prompts for the trees to find it. Each answer has `words` words between its beginning and its
    letter, so that it costs much more than a boot.
    """
    drawn = random.Random(1)
    lines: list[dict[str, object]] = []
    for number in range(prompts):
        question = f"Question {number}: " + " ".join(drawn.sample(_WORDS["sum"], 6))
        right = drawn.choice("ABCD")
        responses: dict[str, object] = {}
        for name in ("one", "two"):
            is_right = drawn.random() < 0.5
            letter = right if is_right else drawn.choice([each for each in "ABCD" if each != right])
            sure = is_right if telling else drawn.random() < 0.5
            text = f"{_SURE if sure else _UNSURE}{' so' * words} So the answer is ({letter})."
            responses[name] = {"text": text, "quality": float(is_right), "answer": letter}
        choices = "\nA. one\nB. two\nC. six\nD. ten\n" if options else ""
        lines.append({"id": f"p{number}", "prompt": question + choices, "answer": right, "responses": responses})
    return load_labelled(recordings.write(path, lines))
