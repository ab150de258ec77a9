import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightrouter.lab.compare import Settings, compare
from lightrouter.lab.dataset.data import DataError
from lightrouter.lab.policies.lightrouter import TRACED
from lightrouter.lab.results.parts import ResumeError
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.learned import artifact
from lightrouter.recording.load import load_labelled
from tests import recordings
from tests.unit.lab import pool

PROMPTS = 30
NAMES = {
    "best-single",
    "full-ensemble-majority",
    "lightrouter-paper",
    "lightrouter",
    "lightrouter-quality",
    "lightrouter@0",
    "lightrouter@0.01",
    "random",
    "oracle",
}
KEYS = {
    "name",
    "quality",
    "quality_low",
    "quality_high",
    "output_tokens",
    "cost_usd",
    "boot_tokens",
    "mean_k",
    "seconds",
}


class Steps:
    """Notes the steps; breaks off the run in the named step, if a name is given."""

    def __init__(self, broken: str | None = None) -> None:
        self.total = 0
        self.done: list[str] = []
        self._broken = broken

    def expect(self, steps: int) -> None:
        self.total += steps

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        if name == self._broken and self.done.count(name):
            raise KeyboardInterrupt
        yield
        self.done.append(name)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("compare")
    data = pool.record(folder / "recording.jsonl.gz", PROMPTS)
    other = load_labelled(pool.record(folder / "other.jsonl", 40, seed=9, first=1000))
    artifact.save(train([other], TrainingOptions(boot_tokens=(5, 40), rounds=40), 0), folder / "artifact")
    return Settings(data, folder / "report", folds=2, artifact=folder / "artifact", command="lightrouter lab")


@pytest.fixture(scope="module")
def report(settings: Settings) -> dict[str, Any]:
    steps = Steps()
    compare(settings, steps)
    assert len(steps.done) == steps.total
    loaded: dict[str, Any] = json.loads((settings.out / "report.json").read_text())
    return loaded


def test_the_report_has_what_programs_look_for(report: dict[str, Any]) -> None:
    assert report["data"] == "recording.jsonl.gz"
    assert report["prompts"] == PROMPTS
    policies = {policy["name"]: policy for policy in report["policies"]}
    assert policies.keys() >= NAMES
    for policy in policies.values():
        assert policy.keys() >= KEYS
        assert policy["about"]
        if policy["quality"] is not None:
            assert 0 <= policy["quality_low"] <= policy["quality"] <= policy["quality_high"] <= 1
    assert {name for name, policy in policies.items() if policy["quality"] is None} == {
        "moa-style",
        "llm-blender-style",
    }
    assert policies["full-ensemble-majority"]["mean_k"] == 3
    assert policies["full-ensemble-majority"]["output_share"] == 1
    assert "full_ensemble_majority" in policies["best-single"]["gain"]
    assert policies["oracle"]["quality"] >= max(policy["quality"] or 0 for policy in policies.values())


def test_the_papers_route_pays_for_boots_judge_and_synthesizer(report: dict[str, Any]) -> None:
    policies = {policy["name"]: policy for policy in report["policies"]}
    paper = policies["lightrouter-paper"]
    assert paper["boot_tokens"] > 0
    assert 0 < paper["boot_output_tokens"] <= 3 * paper["boot_tokens"]
    assert paper["mean_k"] <= 2
    assert paper["seconds"] > policies["full-ensemble-majority"]["seconds"]


def test_policies_that_boot_are_booked_with_cut_calls_and_with_held_ones(
    settings: Settings, report: dict[str, Any]
) -> None:
    both = {policy["name"]: policy for policy in report["policies"] if "held" in policy}
    assert both.keys() == {"lightrouter-paper", "lightrouter", "lightrouter-quality"}
    for policy in both.values():
        held = policy["held"]
        assert held.keys() == {"output_tokens", "input_tokens", "cost_usd", "cached_usd", "seconds"}
        # The losers write more, the chosen do not read the prompt again.
        assert held["output_tokens"] >= policy["output_tokens"]
        assert held["input_tokens"] < policy["input_tokens"]
        assert held["seconds"] < policy["seconds"]
    assert "Boot calls cut and held" in (settings.out / "report.html").read_text()


def test_a_curve_over_worth_is_asked_outright_and_planned(report: dict[str, Any]) -> None:
    policies = {policy["name"]: policy for policy in report["policies"]}
    curve = [policies[f"lightrouter@{worth:g}"] for worth in TRACED]
    for policy in curve:
        assert policy["boot_output_tokens"] == 0
        assert policy["planned_usd"] == pytest.approx(policy["cost_usd"], rel=0.3)
        assert 1 <= policy["mean_k"] <= 3
    assert curve[0]["mean_k"] == 1
    assert curve[0]["cost_usd"] <= min(policies[f"single {model}"]["cost_usd"] for model in pool.MODELS) * 1.01
    asked = [policy["mean_k"] for policy in curve]
    assert asked[-1] > asked[1]


def test_the_page_says_where_a_rival_is_the_better_buy(settings: Settings, report: dict[str, Any]) -> None:
    html = (settings.out / "report.html").read_text()
    assert "The curve over worth at each rival" in html
    assert "The curve over the worth of a right answer goes from lightrouter@0 (" in html


def test_an_assumed_overshoot_can_be_given(settings: Settings, report: dict[str, Any], tmp_path: Path) -> None:
    compare(replace(settings, overshoot_tokens=1, out=tmp_path), Steps())
    less = json.loads((tmp_path / "report.json").read_text())
    for one, other in zip(less["policies"], report["policies"], strict=True):
        assert {**one, "held": None} == {**other, "held": None}
        if one["name"] == "lightrouter":
            assert one["held"]["output_tokens"] < other["held"]["output_tokens"]


def test_the_page_is_of_one_piece(settings: Settings, report: dict[str, Any]) -> None:
    html = (settings.out / "report.html").read_text()
    assert "<img" in html
    assert "http://" not in html
    assert "https://" not in html
    assert all(policy["name"] in html for policy in report["policies"])
    assert (settings.out / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_was_broken_off_is_gone_on_with(settings: Settings, report: dict[str, Any], tmp_path: Path) -> None:
    again = replace(settings, out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        compare(again, Steps(broken="knn"))
    parts = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.npz")}
    assert "0-knn.npz" in parts
    assert "1-knn.npz" not in parts
    compare(replace(again, resume=True), Steps())
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.npz")}
    assert {name: kept[name] for name in parts} == parts
    resumed = json.loads((tmp_path / "report.json").read_text())
    assert resumed["policies"] == report["policies"]


def test_a_run_with_other_settings_is_not_gone_on_with(settings: Settings, report: dict[str, Any]) -> None:
    del report
    with pytest.raises(ResumeError, match="another seed; leave out --resume"):
        compare(replace(settings, seed=1, resume=True), Steps())


def test_another_recording_can_be_learned_from(settings: Settings, tmp_path: Path) -> None:
    other = pool.record(tmp_path / "train.jsonl", 40, seed=5, first=60)
    compare(replace(settings, artifact=None, train=other, out=tmp_path, limit=10), Steps())
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["prompts"] == 10
    assert any("prompts of" in note and "drawn with the seed" in note for note in report["notes"])
    assert any("Learned from: train.jsonl." in note for note in report["notes"])


def test_free_text_is_compared_by_its_words(settings: Settings, tmp_path: Path) -> None:
    data = pool.record(tmp_path / "recording.jsonl", 12, free_text=True)
    compare(replace(settings, data=data, out=tmp_path), Steps())
    report = json.loads((tmp_path / "report.json").read_text())
    assert any("whole texts are compared" in note for note in report["notes"])


@pytest.mark.parametrize("lacking", [{"a": "Because."}, {"a": "Because.", "b": " "}])
def test_prompts_that_lack_a_text_are_left_out(lacking: dict[str, str], tmp_path: Path) -> None:
    whole = [recordings.line(f"Why {n}?", {"a": "Because.", "b": "So."}, number=n) for n in range(30)]
    path = recordings.write(tmp_path / "r.jsonl", [*whole, recordings.line("Why not?", lacking, number=99)])
    data = Settings(path, tmp_path, folds=2).read()
    assert len(data.test) == 30
    assert data.notes == [f"1 prompts of {path} lack a text or a quality of some model and were left out."]


@pytest.mark.parametrize(
    ("said", "message"),
    [({"a": "Because."}, "1 models to compare"), ({"a": "Because.", "b": "So."}, "1 different prompts cannot make")],
)
def test_too_little_to_compare_is_refused(tmp_path: Path, said: dict[str, str], message: str) -> None:
    data = recordings.write(tmp_path / "recording.jsonl", [recordings.line("Why?", said)])
    with pytest.raises(DataError, match=message):
        compare(Settings(data, tmp_path / "out"), Steps())
