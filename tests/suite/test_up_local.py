"""`lightrouter up` and `lightrouter demo` with the real small model."""

import json
import signal
import uuid
from pathlib import Path

import psutil
import pytest

from tests.readme import DOCS, blocks
from tests.suite.up_support import TIMEOUT_S, Up, cli, until

_MARK = "TEST_OF_LIGHTROUTER"
pytest.importorskip("xllamacpp", reason="the local model needs xllamacpp, which has no wheel for this platform")
pytestmark = pytest.mark.usefixtures("small_model")


def test_three_candidates_of_one_model_answer(tmp_path: Path) -> None:
    up = Up(tmp_path)
    try:
        address = up.wait_ready()
        arguments = ("--boot-tokens", "16", "--max-output-tokens", "48", "-o", "json")
        answered = cli(
            "ask", "Why do people keep bees?", *arguments, "--margin", "1", "--agreement", "1", address=address
        )
        assert answered.returncode == 0, answered.stderr
        answer = json.loads(answered.stdout)
        assert answer["text"].strip()
        boots = [entry for entry in answer["ledger"]["entries"] if entry["stage"] == "STAGE_BOOT"]
        assert {entry["candidate"] for entry in boots} == {"concise", "explainer", "skeptic"}
        assert int(answer["ledger"]["costNanousd"]) > 0
        # The calls that booted go on, or a second call costs no second prefill, as the model's server counts: only what
        # it tokenizes anew at the joint.
        went_on = [entry for entry in boots if entry.get("wentOn")]
        completions = [entry for entry in answer["ledger"]["entries"] if entry["stage"] == "STAGE_COMPLETE"]
        assert went_on or completions
        for entry in completions:
            usage = entry["usage"]
            assert not usage.get("estimated")
            assert int(usage["inputTokens"]) > 30
            assert int(usage["inputTokens"]) - int(usage["cachedInputTokens"]) <= 8

        model = up.running("localmodel")
        model.kill()
        model.wait(TIMEOUT_S)
        until("the model answers again", lambda: cli("ask", "Hi", *arguments, address=address).returncode == 0)

        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(TIMEOUT_S) == 0
        assert not [process for process in up.family if process.is_running()]
    finally:
        up.end()


@pytest.mark.timeout(2400)
def test_the_demonstration_shows_both_routes_and_leaves_nothing() -> None:
    mark = str(uuid.uuid4())
    shown = cli("demo", more={_MARK: mark}, timeout_s=2000)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for part in (
        "1. A prompt that needs two candidates",
        "go on",
        "2. A prompt that one candidate resolves",
        "goes on",
    ):
        assert part in shown.stdout
    assert shown.stdout.count("ledger") == 2
    (printed,) = [block for block in blocks(DOCS / "get-started.md", "") if block.startswith("2. A prompt")]
    headings = {" ".join(line.split()) for line in printed.splitlines() if line.startswith("┃")}
    assert headings <= {" ".join(line.split()) for line in shown.stdout.splitlines()}
    assert [process for process in psutil.process_iter() if _environment(process).get(_MARK) == mark] == []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}
