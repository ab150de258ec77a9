import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.cli.commands import LAB
from lightrouter.cli.errors import ExitCode
from tests import recordings
from tests.unit.lab import pool


@pytest.mark.parametrize("action", LAB.commands)
def test_each_action_has_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", action, "--help"]) == 0
    assert "Examples:" in capsys.readouterr().out


def test_compare_prints_its_figures_and_says_where_the_report_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pool.record(tmp_path / "recording.jsonl.gz", 30)
    out = tmp_path / "report"
    assert run(["lab", "compare", str(data), "--out", str(out), "--folds", "2", "--boot-tokens", "5"]) == ExitCode.OK
    printed, warned = capsys.readouterr()
    assert "No price is known of sums, history, nothing: $0.2" in warned
    assert "lightrouter-paper" in printed
    ways = [line.split()[:2] for line in printed.splitlines() if line.split()[1:2] in (["cut"], ["held"])]
    names = ("lightrouter-paper", "lightrouter", "lightrouter-quality")
    assert ways == [[name, way] for name in names for way in ("cut", "held")]
    assert str(out / "report.html") in printed
    assert f"lightrouter lab compare {data}" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.jsonl"], "none.jsonl"),
        (["prices.yaml"], "prices.yaml:1"),
        (["good.jsonl", "--prices", "prices.yaml"], "prices.yaml:1"),
        (["good.jsonl", "--folds", "9"], "give --folds 3 or less"),
        (["good.jsonl", "--folds", "2"], "has too few different prompts to learn from"),
        (["good.jsonl", "--folds", "1"], "--folds 1 leaves nothing to learn from; give --folds 2 or more"),
        (["good.jsonl", "--limit", "1"], "1 different prompts cannot make folds; record more prompts"),
        (["repeated.jsonl"], "1 different prompts cannot make folds; record more prompts"),
        (["nameless.jsonl"], "the name of a model must not be empty"),
        (["silent.jsonl"], "has no prompt with a text and a `quality` of each of a, b"),
        (["cut.jsonl.gz"], "cut.jsonl.gz: cannot be read"),
        (["good.jsonl", "--answer-pattern", ""], "--answer-pattern is empty"),
        (["good.jsonl", "--answer-pattern", "choices:1"], "--answer-pattern 'choices:1': choices:N takes a number"),
        (["good.jsonl", "--answer-pattern", "choices:x"], "a number from 2 to 26"),
        (["good.jsonl", "--folds", "3", "--artifact", "."], "manifest.json cannot be read"),
        (["good.jsonl", "--train", "good.jsonl"], "has 0 prompts that are not in"),
        (["good.jsonl", "--answer-pattern", "("], "--answer-pattern"),
    ],
)
def test_unusable_input_is_refused_in_a_sentence(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    good = pool.record(tmp_path / "good.jsonl", 3)
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(good.read_bytes())[:-20])
    said_by = {"repeated": ("a", "b", "So."), "nameless": ("", "b", "So."), "silent": ("a", "b", "")}
    for name, (one, other, text) in said_by.items():
        lines = [recordings.line("Why?", {one: text, other: text}, number=number) for number in range(9)]
        recordings.write(tmp_path / f"{name}.jsonl", lines)
    (tmp_path / "prices.yaml").write_text("- 1\n")
    assert run(["lab", "compare", *arguments, "--out", "report"]) == ExitCode.USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "-1"], "not in the range 0<=x<=2147483647"),
        (["--seed", "4294967296"], "not in the range 0<=x<=2147483647"),
        (["--boot-tokens", "4097"], "not in the range 1<=x<=4096"),
        (["--top-k", "99999999999"], "not in the range 1<=x<=64"),
        (["--folds", "0"], "not in the range x>=1"),
        (["--folds", "2", "--train", "x"], "--folds and --train exclude each other"),
    ],
)
def test_numbers_are_in_their_bounds(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "compare", "recording.jsonl", "--out", "report", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_names_of_models_do_not_reach_the_terminal_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pool.record(tmp_path / "recording.jsonl", 30)
    data.write_text(data.read_text().replace('"sums"', json.dumps("sums\x1b[31m\x07\n\u202e")))
    out = ["--out", str(tmp_path / "report"), "--folds", "2", "--boot-tokens", "5"]
    assert run(["lab", "compare", str(data), *out]) == ExitCode.OK
    printed, warned = capsys.readouterr()
    assert "sums[31m" in warned
    assert not set("\x1b\x07\u202e") & set(printed + warned)


def test_assumed_prices_are_said_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pool.record(tmp_path / "recording.jsonl", 20)
    out = tmp_path / "report"
    assert run(["lab", "experiment", "variance", str(data), "--folds", "2", "--out", str(out)]) == ExitCode.OK
    assert "No price is known of sums, history, nothing: $0.2" in capsys.readouterr().err
    assert "No price is known of sums" in (out / "report.html").read_text()


@pytest.mark.parametrize("value", ["0", "-3", "many"])
def test_numbers_are_whole_and_positive(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "compare", "recording.jsonl", "--out", "report", "--limit", value]) == 2
    assert "Invalid value for '--limit'" in capsys.readouterr().err


def test_a_missing_extra_is_a_sentence_that_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['numpy'] = None\n"
        "from lightrouter.cli.__main__ import main\n"
        "main(['lab', 'compare', 'recording.jsonl', '--out', 'report'])"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr == (
        "lightrouter lab compare: numpy is not installed; install the extra `lab`: pip install 'lightrouter[lab]'\n"
    )
