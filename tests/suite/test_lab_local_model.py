"""The lab's experiments with a real judge and a real synthesizer: the small local model, on a few prompts."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from lightrouter.cli.__main__ import run
from lightrouter.cli.errors import ExitCode
from tests.unit.lab import pool

pytest.importorskip("xllamacpp", reason="the local model needs xllamacpp, which has no wheel for this platform")
pytestmark = pytest.mark.usefixtures("small_model")

# Each takes seconds.
_ASKED = 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool.record(tmp_path_factory.mktemp("data") / "recording.jsonl", 24, seed=3)


def _report(name: str, data: Path, out: Path, *arguments: str) -> dict[str, Any]:
    command = ["lab", "experiment", name, str(data), "--out", str(out), "--folds", "2", "--asked", str(_ASKED)]
    assert run([*command, *arguments]) == ExitCode.OK
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    assert not [each for each in psutil.Process().children() if "lightrouter.localmodel" in each.cmdline()]
    return report


def test_a_real_judge_ranks_in_both_orders(data: Path, tmp_path: Path) -> None:
    report = _report("selector", data, tmp_path, "--local-model")
    llm = report["llm"]
    # The grammar leaves it no other way than to give a verdict.
    assert llm["read"] == llm["prompts"] == _ASKED
    assert llm["unread"] == {}
    assert 0 <= llm["flipped"] <= _ASKED
    assert llm["flipped_share"]["low"] <= llm["flipped_share"]["mean"] <= llm["flipped_share"]["high"]
    assert llm["decided_readings"] <= 2 * _ASKED
    assert llm["quality"].keys() == {"prior", "consensus", "llm"}
    assert any(finding.startswith("Order bias: ") for finding in report["findings"])
    assert any("on this machine judges" in note for note in report["notes"])


def test_a_real_synthesizer_merges_conflicting_drafts(data: Path, tmp_path: Path) -> None:
    report = _report("aggregator", data, tmp_path, "--local-model")
    merges = {each["drafts"]: each for each in report["merges"] if each["merged_by"] == "synthesize"}
    assert merges.keys() == {"two drafts", "two against one"}
    for merge in merges.values():
        # A merge that its limit cut has failed: so small a model does not always end by itself.
        outcomes = [merge[outcome] for outcome in ("right", "wrong", "third", "no_answer", "failed")]
        assert sum(outcomes) == merge["conflicts"] == _ASKED
        assert 0 <= merge["right_share"]["low"] < merge["right_share"]["high"] <= 1
