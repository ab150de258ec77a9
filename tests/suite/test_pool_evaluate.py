"""`lightrouter pool evaluate` as a process: over real adapters, killed, given again, and given twice at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.recordings import write
from tests.suite.up_support import SERVICES, Chat, pool_text, until, upstream

PROMPTS = 60
RIGHT = {"good": 1.0, "fair": 0.9, "weak": 0.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with a pool of three recorded candidates, and a validation set."""
    chance = Random(5)
    recorded, asked = [], []
    for number in range(PROMPTS):
        prompt = f"Question {number}: A or B?"
        responses = {
            name: {"text": "B" if chance.random() < share else "A", "latency_s": 0.05, "output_tokens": 1}
            for name, share in RIGHT.items()
        }
        recorded.append({"id": f"q{number}", "prompt": prompt, "responses": responses})
        asked.append({"id": f"q{number}", "prompt": prompt, "category": "easy", "task": "choice", "answer": "B"})
    (tmp_path / "recorded.jsonl").write_text("\n".join(map(json.dumps, recorded)))
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, asked)))
    entries = "".join(
        f"  - {{name: {name}, provider: replay, model: {name}, recording: recorded.jsonl, pace: true}}\n"
        for name in RIGHT
    )
    (tmp_path / "pool.yaml").write_text(f"candidates:\n{entries}")
    return tmp_path


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lightrouter.cli", "pool", "evaluate", "--seed", "7", "--concurrency", "4"]
    command += ["--pool", str(folder / "pool.yaml"), "--set", str(folder / "set.jsonl"), *more]
    environment = {**os.environ, "PYTHONPATH": str(SERVICES)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(folder: Path) -> list[dict[str, Any]]:
    try:
        text = (folder / "pool.evaluation.jsonl").read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def done(folder: Path) -> list[str]:
    return [line["done"] for line in lines(folder) if "done" in line]


def states(folder: Path) -> dict[str, Any]:
    held = json.loads((folder / "pool.state.json").read_text())["candidates"]
    return {name: {key: each[key] for key in ("state", "score", "evaluatedPrompts")} for name, each in held.items()}


def test_one_that_is_killed_goes_on_and_a_second_one_is_kept_out(folder: Path) -> None:
    with start(folder) as first:
        until("calls of the first evaluation", lambda: len(done(folder)) > 10)
        # It stays under way for as long as the second one takes.
        first.send_signal(signal.SIGSTOP)
        with start(folder) as second:
            _, said = second.communicate()
        assert second.returncode == 1
        assert f"an evaluation (process {first.pid}) is using" in said
        first.send_signal(signal.SIGKILL)
        first.communicate()
    bought = done(folder)
    assert not (folder / "pool.state.json").exists()
    with start(folder) as again:
        out, said = again.communicate()
    assert again.returncode == 0, said
    assert "went on and is over: " in said
    assert "weak: admitted -> evicted" in said
    assert "evicted" in out
    assert done(folder)[: len(bought)] == bought
    assert set(Counter(done(folder)).values()) == {1}
    resumed = states(folder)
    assert {name: each["state"] for name, each in resumed.items()} == {
        "good": "admitted",
        "fair": "admitted",
        "weak": "evicted",
    }
    # An uninterrupted evaluation gives the same.
    (folder / "pool.state.json").unlink()
    (folder / "pool.evaluation.jsonl").unlink()
    with start(folder) as whole:
        _, said = whole.communicate()
    assert whole.returncode == 0, said
    assert states(folder) == resumed
    assert sorted(done(folder)) == sorted(set(done(folder)))


def test_one_that_is_asked_to_end_ends_with_its_adapters_and_says_what_to_do(folder: Path) -> None:
    with start(folder) as process:
        until("calls of the evaluation", lambda: len(done(folder)) > 3)
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 1
    assert "ended before it was finished; the same command resumes it" in said


class Unreadable(Chat):
    """A provider whose judge writes prose."""

    def answer(self, request: dict[str, Any]) -> None:
        self.say(request, "The first one is the better of the two, I think.", "stop")


def test_a_judge_that_cannot_be_read_ends_it_soon_and_with_a_failure(tmp_path: Path) -> None:
    lines = [{"id": f"q{n}", "prompt": f"{n}?", "task": "judge", "reference": "yes"} for n in range(50)]
    write(tmp_path / "set.jsonl", lines)
    with upstream(Unreadable) as url:
        (tmp_path / "pool.yaml").write_text(f"judge: alpha\n{pool_text(url, 'alpha', 'beta', 'gamma')}")
        with start(tmp_path) as process:
            out, said = process.communicate()
    assert process.returncode == 1, said
    assert "the judge alpha gave no verdict on 6 of 6 answers: what it wrote is no verdict" in said
    assert "no candidate has a score" in said
    assert len([key for key in done(tmp_path) if key.startswith("answer/")]) == 9
    assert "never" in out
    assert not (tmp_path / "pool.state.json").exists()
