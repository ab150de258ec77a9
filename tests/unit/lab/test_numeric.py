"""The example that makes a recording of numeric answers from one of lettered options."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[3] / "examples/recordings/numeric.py"
ASKED = (
    "The following is a multiple choice question about math. Answer with the letter.\n\nQuestion: How many?\nOptions:\n"
)
NUMBERS = "A. 12\nB. 1,200\nC. $3.50"
NO_NUMBERS = ["A. 12\nB. a dozen or more", "A. red\nB. 2", "A. 1", ""]
TEXTS = {
    "So the answer is (B).": ("So the answer is (1,200).", 1),
    "The answer is: **B**": ("The answer is: **1,200**", 1),
    r"The answer is $\boxed{B}$.": (r"The answer is $\boxed{1,200}$.", 1),
    "The answer is (C).": ("The answer is ($3.50).", 0),
    "The answer is (A). No, the answer is (B).": ("The answer is (12). No, the answer is (1,200).", 1),
    "First we add": ("First we add", 0),
    "The answer is Brazil": ("The answer is Brazil", 0),
}


def numeric(folder: Path, options: Sequence[str], texts: Sequence[str] = ("The answer is (B).",)) -> list[Any]:
    """Returns what the example makes of prompts with these options, whose right answer is B; each text is a model's."""
    responses = {text: {"text": text, "answer": "B", "quality": 1.0} for text in texts}
    prompts = [
        {"id": str(number), "prompt": ASKED + each, "answer": "B", "responses": responses}
        for number, each in enumerate(options)
    ]
    recording = folder / "recording.jsonl.gz"
    with gzip.open(recording, "wt") as file:
        file.writelines(json.dumps(prompt) + "\n" for prompt in prompts)
    made = subprocess.run([sys.executable, SCRIPT, recording], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in made.stdout.splitlines()]


def test_only_prompts_all_of_whose_options_are_numbers_are_taken(tmp_path: Path) -> None:
    (made,) = numeric(tmp_path, [*NO_NUMBERS, NUMBERS])
    assert made["id"] == str(len(NO_NUMBERS))
    assert made["answer"] == "1,200"
    assert made["prompt"].endswith("How many?")
    assert "Options" not in made["prompt"]
    assert "letter" not in made["prompt"]


def test_a_letter_becomes_its_number(tmp_path: Path) -> None:
    (made,) = numeric(tmp_path, [NUMBERS], list(TEXTS))
    assert {text: (each["text"], each["quality"]) for text, each in made["responses"].items()} == TEXTS
