"""`lightrouter lab train`: the same from the same, figures and a plot, and sentences for what cannot be used."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.cli.errors import ExitCode
from lightrouter.lab.training import quality
from lightrouter.learned import artifact
from lightrouter.v1.policy_pb2 import AnswerPattern
from tests import recordings
from tests.unit.lab import pool


@pytest.fixture(autouse=True, scope="module")
def _few_trees() -> Iterator[None]:
    """Made-up recordings deserve a tenth of the trees."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(quality, "TrainingOptions", partial(quality.TrainingOptions, rounds=40))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pool.record(tmp_path_factory.mktemp("data") / "recording.jsonl.gz", 60)


def _train(data: Path, out: Path, *arguments: str) -> int:
    return run(["lab", "train", str(data), "--out", str(out), "--boot-tokens", "5", "--folds", "2", *arguments])


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_prints_figures_with_intervals_and_leaves_an_artifact_and_a_plot(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "artifact"
    assert _train(data, out, "--boots") == ExitCode.OK
    printed = capsys.readouterr().out
    trained = artifact.load(out)
    assert trained.metrics["prompts"] == 60
    mean, low, high = trained.metrics["picked_quality"]
    assert 0 <= low <= mean <= high <= 1
    assert f"picked_quality             {mean:.4f} ({low:.4f} to {high:.4f})" in printed
    assert f"recommended_worth_usd      {trained.metrics['recommended_worth_usd']:g}" in printed
    assert trained.model.gains is not None
    assert f"first_gain_share           {trained.model.gains.first_share:g}" in printed
    (point, *_) = trained.metrics["worths"]
    mean, low, high = point["quality"]
    assert f"{point['worth_usd']:>8g}  {mean:.4f} ({low:.4f} to {high:.4f})" in printed
    (boots,) = trained.metrics["boots"]
    mean, low, high = boots["gain"]
    said = "kept" if boots["kept"] else "left out"
    kind = "lettered options" if boots["options"] else "other prompts"
    assert f"boots, {kind:<19} {mean:.4f} ({low:.4f} to {high:.4f}) of the worth, {said}" in printed
    assert f"The artifact is {out}." in printed
    assert (out / "calibration.png").read_bytes().startswith(b"\x89PNG")


def test_the_seed_decides_every_byte(data: Path, tmp_path: Path) -> None:
    for name, seed in (("one", "3"), ("again", "3"), ("other", "4")):
        assert _train(data, tmp_path / name, "--folds", "1", "--seed", seed) == ExitCode.OK
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "again")
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "other")


def test_one_fold_trains_without_figures(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "artifact"
    assert _train(data, out, "--folds", "1") == ExitCode.OK
    assert capsys.readouterr().out == (
        f"No figures: they need two folds or more, and 50 prompts or more.\n\nThe artifact is {out}.\n"
    )
    assert not (out / "calibration.png").exists()


def test_more_folds_than_prompts_are_refused(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train(data, tmp_path / "artifact", "--folds", "61") == ExitCode.USAGE
    assert "60 prompts cannot make 61 folds; give --folds 60 or less" in capsys.readouterr().err


def test_compare_ranks_with_the_trained_artifact(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, other = tmp_path / "artifact", pool.record(tmp_path / "other.jsonl", 40, seed=5, first=100)
    assert _train(data, out, "--folds", "1") == ExitCode.OK
    compared = ["lab", "compare", str(other), "--out", str(tmp_path / "report"), "--folds", "2", "--limit", "6"]
    compared += ["--artifact", str(out)]
    assert run(compared) == ExitCode.OK

    manifest = json.loads((out / artifact.MANIFEST).read_text())
    (out / artifact.MANIFEST).write_text(json.dumps(manifest | {"features": ["length"]}))
    assert run(compared) == ExitCode.USAGE
    assert "was trained on other features than these; train it anew" in capsys.readouterr().err


def test_a_recording_of_one_answer_trains_without_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scored = {"id": "1", "prompt": "Why?", "responses": {"a": {"text": "So.", "quality": 1}}}
    recordings.write(tmp_path / "single.jsonl", [scored])
    assert _train(tmp_path / "single.jsonl", tmp_path / "artifact") == ExitCode.OK
    assert "No figures: they need two folds or more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "out", "said"),
    [
        ("nameless.jsonl", "artifact", "the name of a model must not be empty"),
        ("none.jsonl", "artifact", "none.jsonl"),
        ("prices.yaml", "artifact", "prices.yaml:1"),
        ("bare.jsonl", "artifact", "no response has a `quality` to learn from; a scorer adds it"),
        ("good.jsonl", "prices.yaml", "prices.yaml cannot be used: File exists"),
    ],
)
def test_unusable_input_is_refused_in_a_sentence(
    name: str, out: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pool.record(tmp_path / "good.jsonl", 20)
    (tmp_path / "prices.yaml").write_text("- 1\n")
    unscored = {"id": "1", "prompt": "Why?", "responses": {"a": {"text": "So."}, "b": {"text": "Thus."}}}
    recordings.write(tmp_path / "bare.jsonl", [unscored])
    recordings.write(tmp_path / "nameless.jsonl", [recordings.line("Why?", {"": "So."})])
    assert _train(Path(name), Path(out)) == ExitCode.USAGE
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert said in sentence


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ([], AnswerPattern(choices=4)),
        (["--answer-pattern", r"answer is \((\w)\)"], AnswerPattern(re2=r"answer is \((\w)\)")),
    ],
)
def test_the_artifact_keeps_the_pattern_given_or_inferred(
    arguments: list[str], pattern: AnswerPattern, data: Path, tmp_path: Path
) -> None:
    assert _train(data, tmp_path / "artifact", "--folds", "1", *arguments) == ExitCode.OK
    assert artifact.load(tmp_path / "artifact").model.pattern == pattern


def test_recordings_of_different_kinds_leave_no_pattern(data: Path, tmp_path: Path) -> None:
    other = pool.record(tmp_path / "other.jsonl", 30, first=100, free_text=True)
    arguments = ["lab", "train", str(data), str(other), "--out", str(tmp_path / "artifact"), "--folds", "1"]
    assert run(arguments) == ExitCode.OK
    assert artifact.load(tmp_path / "artifact").model.pattern is None


def test_a_manifest_of_something_else_is_left_alone(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "my app"}')
    assert _train(data, tmp_path) == ExitCode.USAGE
    assert "is not an artifact's and would be lost; name another folder" in capsys.readouterr().err
    assert (tmp_path / "manifest.json").read_text() == '{"name": "my app"}'


@pytest.mark.parametrize("value", ["0", "20,", "5,many"])
def test_boot_lengths_are_whole_and_positive(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "train", "recording.jsonl", "--out", "artifact", "--boot-tokens", value]) == 2
    assert "Invalid value for '--boot-tokens'" in capsys.readouterr().err


def test_one_prompt_over_and_over_trains_without_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"a": "It is 1.", "b": "It is 2."}
    lines = [recordings.line("p", said, number=number) for number in range(60)]
    data = recordings.write(tmp_path / "data.jsonl", lines)
    assert _train(data, tmp_path / "artifact") == ExitCode.OK
    assert "No figures" in capsys.readouterr().out
    assert not (tmp_path / "artifact" / "calibration.png").exists()


def test_a_model_without_a_name_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = recordings.write(tmp_path / "data.jsonl", [recordings.line("p", {"": "x", "b": "y"})])
    for command in (["lab", "train"], ["lab", "compare"]):
        assert run([*command, str(data), "--out", str(tmp_path / "out")]) == ExitCode.USAGE
        said = capsys.readouterr().err
        assert f"{data}:1: responses: the name of a model must not be empty" in said
    assert run(["up", "--replay", str(data)]) == ExitCode.USAGE
    assert "the name of a model must not be empty" in capsys.readouterr().err
