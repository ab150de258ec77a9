import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lightrouter.cli.lab_experiment import NAMES
from lightrouter.lab.experiments.run import Settings, experiment
from lightrouter.lab.policies.helpers import HelpersError
from tests import recordings
from tests.unit.lab import pool
from tests.unit.lab.test_compare import Steps

PROMPTS = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool.record(tmp_path_factory.mktemp("data") / "recording.jsonl.gz", 60, seed=4)


@pytest.fixture(scope="module")
def ran(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns a function that runs an experiment once and returns the path of its page."""

    @cache
    def run(name: str) -> Path:
        out: Path = tmp_path_factory.mktemp(name)
        _run(name, data, out, limit=PROMPTS)
        return out

    return run


def _report(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def _run(name: str, data: Path, out: Path, **settings: Any) -> dict[str, Any]:
    steps = Steps()
    told = Settings(data, out, name=name, folds=2, command=f"lightrouter lab experiment {name}", **settings)
    experiment(told, steps)
    assert len(steps.done) == steps.total
    return _report(out)


@pytest.mark.parametrize("name", NAMES)
def test_each_experiment_makes_a_page_of_one_piece(name: str, ran: Callable[[str], Path]) -> None:
    out = ran(name)
    report = _report(out)
    assert report["experiment"] == name
    assert report["prompts"] == PROMPTS
    assert report["findings"]
    html = (out / "report.html").read_text()
    assert report["command"] in html
    assert "data:image/png;base64," in html
    assert list(out.glob("*.png"))


@pytest.mark.parametrize("name", ["aggregator", "contradiction", "variance"])
def test_free_text_is_experimented_on_too(name: str, tmp_path: Path) -> None:
    data = pool.record(tmp_path / "recording.jsonl", 20, free_text=True)
    assert _run(name, data, tmp_path)["findings"]


def test_longer_boots_cost_more_and_the_recommended_one_is_not_worse(ran: Callable[[str], Path]) -> None:
    curve = _report(ran("boot-length"))["curves"]["consensus"]
    tokens = [point["output_tokens"] for point in curve["points"]]
    assert tokens == sorted(tokens)
    lengths = [point["boot_tokens"] for point in curve["points"]]
    assert curve["recommended"] in lengths
    assert curve["inflection"] in lengths


def test_knowing_the_prompt_ranks_better_than_chance(ran: Callable[[str], Path]) -> None:
    report = _report(ran("selector"))
    quality = {each["name"]: each["quality"]["mean"] for each in report["rankings"]}
    assert quality["knn"] > quality["random"]
    assert quality["oracle"] >= max(quality.values())
    assert any(finding.startswith("No judge: ") for finding in report["findings"])


def test_the_gain_on_unseen_candidates_is_a_sentence(ran: Callable[[str], Path]) -> None:
    report = _report(ran("transfer"))
    (told,) = [each for each in report["findings"] if "with 50 calibration prompts" in each]
    for gain in (_gain(report, "learned, 50 prompts"), report["candidates"]["gain_best_by_calibration"]):
        assert gain["low"] <= gain["mean"] <= gain["high"]
        assert f"{gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})" in told


def _gain(report: dict[str, Any], name: str) -> dict[str, float]:
    (gain,) = [each["gain_best_single"] for each in report["candidates"]["figures"] if each["name"] == name]
    found: dict[str, float] = gain
    return found


def test_best_and_vote_take_a_side_and_invent_nothing(ran: Callable[[str], Path]) -> None:
    merges = _report(ran("aggregator"))["merges"]
    for merge in merges:
        assert merge["right"] + merge["wrong"] == merge["conflicts"] > 0
        assert merge["third"] == merge["no_answer"] == merge["failed"] == 0
    by_name = {(merge["merged_by"], merge["drafts"]): merge for merge in merges}
    assert by_name["best", "two drafts"]["better_models_side"] == by_name["best", "two drafts"]["conflicts"]
    assert by_name["vote", "two against one"]["better_models_side"] < by_name["vote", "two against one"]["conflicts"]


def test_a_selector_that_is_made_worse_ends_as_chance(ran: Callable[[str], Path]) -> None:
    steps = _report(ran("contradiction"))["degraded"]
    assert [step["share"] for step in steps] == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert steps[-1]["mean"] < steps[0]["mean"]


def test_errors_that_all_share_leave_the_variance_as_it_is(tmp_path: Path) -> None:
    same = pool.record(tmp_path / "recording.jsonl", 40, seed=6)
    lines = [json.loads(line) for line in same.read_text().splitlines()]
    for line in lines:
        line["responses"] = dict.fromkeys(pool.MODELS, line["responses"]["sums"])
    same.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = _run("variance", same, tmp_path)
    assert report["mean_correlation"] == pytest.approx(1)
    first, *others = report["merging"]
    for each in others:
        assert each["variance"] == pytest.approx(first["variance"])
        assert each["variance_if_independent"] == pytest.approx(first["variance"] / each["k"])


def test_the_look_of_options_contributes_where_it_tells_the_right_one(tmp_path: Path) -> None:
    """The right option is the longest one; which model finds it nobody knows."""
    drawn = random.Random(3)
    lines = []
    for number in range(90):
        right, wrong = drawn.sample("AB", 2)
        texts = {right: "a long and careful wording", wrong: "a short one"}
        prompt = f"Question {number}?\nA. {texts['A']}\nB. {texts['B']}"
        chosen = {"one": right, "other": wrong} if drawn.random() < 0.5 else {"one": wrong, "other": right}
        responses = {
            model: {"text": f"The answer is ({letter}).", "quality": float(letter == right)}
            for model, letter in chosen.items()
        }
        lines.append({"id": f"p{number}", "prompt": prompt, "answer": right, "responses": responses})
    report = _run("options", recordings.write(tmp_path / "recording.jsonl", lines), tmp_path / "out")
    assert report["share_with_options"] == 1
    found = {(each["of"], each["to"]): each for each in report["differences"]}
    cues = found["lightrouter", "lightrouter without cues"]
    assert cues["low"] > 0.2
    assert found["lightrouter", "prior-top-2"]["low"] > 0.2
    assert found["lightrouter without cues", "prior-top-2"]["low"] < 0.2
    assert f"contribute {cues['mean']:+.4f} ({cues['low']:+.4f} to {cues['high']:+.4f})" in report["findings"][0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("candidates: 3", "candidates"),
        ("candidates: [{name: sums, base_url: 'http://localhost:1', model: m}]", "is the name of a recorded model"),
        ("candidates: [{name: j, provider: replay, recording: r.jsonl, model: m}]", "is itself a recording"),
    ],
)
def test_models_that_cannot_help_are_refused(text: str, said: str, data: Path, tmp_path: Path) -> None:
    models = tmp_path / "pool.yaml"
    models.write_text(text)
    with pytest.raises(HelpersError, match=said):
        _run("selector", data, tmp_path, models=models)
