"""`lightrouter record --score-only`: what is recorded is scored anew, and nobody is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightrouter.cli.__main__ import main
from lightrouter.recording.load import load_labelled
from tests.recordings import write

SAID = {"m": {"text": "It is 391.", "quality": 0.0}, "n": {"text": "It is 17."}}


def score(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["record", *map(str, arguments), "--score-only"])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", ["recorded.jsonl", "recorded.jsonl.gz"])
def test_a_recording_is_scored_anew_in_place(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / name, [{"id": "q", "prompt": "17 * 23?", "answer": 391, "responses": SAID}])
    assert score(path, "--out", path, "--task", "numeric") == 0
    [labels] = load_labelled(path).labels
    assert labels.quality == {"m": 1.0, "n": 0.0}
    assert labels.answer == "391"
    said = capsys.readouterr()
    assert said.out == f"{path}\n"
    assert "m: quality 1.000 over 1 responses" in said.err
    # It says from now on how it is scored.
    assert score(path, "--out", path) == 0


def test_corrected_prompts_score_a_recording(tmp_path: Path) -> None:
    out = write(tmp_path / "recorded.jsonl", [{"id": "q", "prompt": "17 * 23?", "answer": "17", "responses": SAID}])
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps({"id": "q", "prompt": "17 * 23?", "task": "numeric", "answer": "391"}))
    assert score(prompts, "--out", out) == 0
    assert load_labelled(out).labels[0].quality == {"m": 1.0, "n": 0.0}
    assert load_labelled(out).labels[0].answer == "391"


@pytest.mark.parametrize(
    ("prompt", "out", "fault"),
    [
        ({"id": "q", "prompt": "p", "task": "exact", "answer": "a"}, "none.jsonl", "does not exist; run without"),
        ({"id": "q", "prompt": "p"}, "recorded.jsonl", "no prompt says how to score its answers"),
        ({"id": "q", "prompt": "other", "task": "exact", "answer": "a"}, "recorded.jsonl", "records another prompt, q"),
    ],
)
def test_an_unscorable_recording_is_a_sentence(
    tmp_path: Path, prompt: dict[str, str], out: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = write(tmp_path / "recorded.jsonl", [{"id": "q", "prompt": "p", "responses": SAID}])
    before = recorded.read_bytes()
    assert score(write(tmp_path / "prompts.jsonl", [prompt]), "--out", tmp_path / out) == 2
    assert fault in capsys.readouterr().err
    assert recorded.read_bytes() == before


def test_an_answer_that_was_read_by_another_task_does_not_stay(tmp_path: Path) -> None:
    said = {"m": {"text": "Surely B.", "answer": "A"}, "n": {"text": "who knows", "answer": "A"}}
    path = write(tmp_path / "recorded.jsonl", [{"id": "q", "prompt": "p", "answer": "B", "responses": said}])
    assert score(path, "--out", path, "--task", "choice") == 0
    [labels] = load_labelled(path).labels
    assert labels.answers == {"m": "B"}
    assert labels.quality == {"m": 1.0, "n": 0.0}
