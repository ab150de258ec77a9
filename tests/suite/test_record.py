"""`lightrouter record` against a real suite, and what it writes played back."""

import json
import signal
from pathlib import Path

from lightrouter.recording.load import load_labelled
from tests.recordings import write
from tests.suite.up_support import TIMEOUT_S, Up, cli

PROMPTS = [
    {"id": "a", "prompt": "How does it end?", "task": "pattern", "pattern": "ends"},
    {"id": "b", "prompt": "Who begins?", "task": "pattern", "pattern": "^beta"},
]


def test_a_running_pool_is_recorded_candidate_by_candidate(tmp_path: Path, pool: Path) -> None:
    prompts, out = write(tmp_path / "prompts.jsonl", PROMPTS), tmp_path / "recorded.jsonl.gz"
    up = Up(tmp_path, "--pool", str(pool))
    try:
        address = up.wait_ready()
        first = cli("record", str(prompts), "--out", str(out), "--candidates", "alpha", address=address)
        assert first.returncode == 0, first.stderr
        before = load_labelled(out).recording
        assert before.models == ["alpha"]

        done = cli("record", str(prompts), "--out", str(out), address=address)
        assert done.returncode == 0, done.stderr
        assert "alpha: quality 0.500 over 2 responses" in done.stderr
        unknown = cli("record", str(prompts), "--out", str(out), "--candidates", "gamma", address=address)
        assert (unknown.returncode, "these may: alpha, beta" in unknown.stderr) == (2, True)
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(TIMEOUT_S) == 0
    finally:
        up.end()
    labelled = load_labelled(out)
    assert labelled.recording.models == ["alpha", "beta"]
    assert [labels.quality for labels in labelled.labels] == [{"alpha": 1.0, "beta": 1.0}, {"alpha": 0.0, "beta": 1.0}]
    # One call, as the model's server counts: nobody is compared with it, so it has no boot.
    response = labelled.recording.prompts[0].responses["beta"]
    assert (response.text, response.output_tokens, response.input_tokens) == ("beta begins and ends.", 4, 10)
    assert response.cost_usd == (10 * 1 + 4 * 2) / 1e6
    assert response.latency_s
    # What was there was not asked for again.
    for old, new in zip(before.prompts, labelled.recording.prompts, strict=True):
        assert old.responses["alpha"] == new.responses["alpha"]


def test_a_pool_file_is_recorded_and_played_back(tmp_path: Path, pool: Path) -> None:
    prompts, out = write(tmp_path / "prompts.jsonl", PROMPTS), tmp_path / "recorded.jsonl"
    done = cli("record", str(prompts), "--out", str(out), "--pool", str(pool))
    assert done.returncode == 0, done.stderr
    up = Up(tmp_path, "--replay", str(out))
    try:
        asked = cli("ask", "Who begins?", "--candidates", "beta", "-o", "json", address=up.wait_ready())
        assert asked.returncode == 0, asked.stderr
        assert json.loads(asked.stdout)["text"] == "beta begins and ends."
    finally:
        up.end()


def test_a_missing_router_is_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    prompts, out = write(tmp_path / "prompts.jsonl", PROMPTS), tmp_path / "recorded.jsonl"
    done = cli("record", str(prompts), "--out", str(out), address=f"unix:{tmp_path}/none.sock")
    assert done.returncode == 1
    assert "no router answers at" in done.stderr
    assert not out.exists()
