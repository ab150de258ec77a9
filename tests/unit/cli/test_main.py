import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightrouter.cli import demo, localpool, up
from lightrouter.cli.__main__ import run
from lightrouter.cli.commands import LIGHTROUTER
from lightrouter.cli.errors import ExitCode
from lightrouter.cli.grammar import Commands
from lightrouter.cli.serve import SERVICES
from lightrouter.pool import file
from lightrouter.v1.router_pb2 import Answer, Selection, SelectionReason
from tests.unit.cli import events


def commands(group: Commands, *path: str) -> Iterator[tuple[str, ...]]:
    for name in group.commands:
        command = group.loaded(name)
        yield (*path, name)
        if isinstance(command, Commands):
            yield from commands(command, *path, name)


EVERY = list(commands(LIGHTROUTER))


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_each_command_has_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: lightrouter {' '.join(command)} ")
    assert "Examples:" in text or command == ("demo",)
    assert "-h, --help" in text


def test_the_help_lists_commands_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    codes = [f"  {code.value} " for code in ExitCode]
    for part in (*LIGHTROUTER.commands, "Examples:", "LIGHTROUTER_ADDRESS", "LIGHTROUTER_POOL", "Exit codes:", *codes):
        assert part in text


@pytest.mark.parametrize(
    "words", [["--help"], ["ask", "--help"], ["quote", "--help"], ["pool", "--help"]], ids=" ".join
)
def test_help_is_quick_because_nothing_heavy_is_imported(words: list[str]) -> None:
    script = (
        "import sys; from lightrouter.cli.__main__ import run\n"
        "run(sys.argv[1:])\n"
        "print({'grpc', 'httpx', 'pydantic', 'rich', 'watchfiles', 'yaml'} & sys.modules.keys(), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert ended.stderr == "set()\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["up", "--nonsense"], ["up", "--log-level", "loud"]])
def test_wrong_arguments_are_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("service", SERVICES)
def test_serve_hands_the_rest_to_the_service(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["serve", service, "--help"])
    assert caught.value.code == 0
    assert f"usage: lightrouter serve {service} " in capsys.readouterr().out


def test_serve_without_its_service_is_a_usage_error() -> None:
    assert run(["serve", "everything"]) == 2


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(up, "fetched_model", interrupted)
    assert run(["up", "--local-model"]) == 130


def test_up_with_a_broken_pool_file_names_each_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text("candidates:\n  - name: a\n    base_url: x\n")
    assert run(["up", "--pool", str(path), "--listen", "127.0.0.1:0"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"lightrouter up: {path}:2: candidates[0].model: is required"
    assert lines[1].startswith(f"{path}:3: candidates[0].base_url: must be an http or https URL")


def test_up_without_its_pool_file_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--pool", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read: No such file or directory" in capsys.readouterr().err


def test_the_local_pool_is_three_candidates_that_differ() -> None:
    pool = file.parse(localpool.text("http://127.0.0.1:1/v1", "m").encode(), Path("pool.yaml"))
    entries = list(pool.entries.values())
    assert len(entries) == 3
    assert len({entry.system_prompt for entry in entries}) == 3
    assert len({entry.sampling.temperature for entry in entries}) == 3
    assert len({entry.sampling.seed for entry in entries}) == 3
    assert all(entry.prices.output for entry in entries)


def test_a_demo_that_shows_what_it_should_has_no_shortfalls() -> None:
    agreed = Selection(chosen=["fast"], reason=SelectionReason.SELECTION_REASON_AGREEMENT)
    assert demo.shortfalls(events.ANSWER, Answer(selection=agreed)) == []


def test_a_demo_that_does_not_says_so() -> None:
    one = Answer(selection=Selection(chosen=["fast"]), candidates=["fast"])
    assert demo.shortfalls(one, events.ANSWER) == [
        "the first prompt was not answered from two drafts",
        "the first prompt's drafts were not merged by a model",
        "the second prompt was not resolved by one candidate",
        "the second prompt paid for merging",
    ]


def test_stages_are_told_in_lines_where_nothing_can_be_drawn() -> None:
    told = [str(line) for event in events.ROUTE if (line := demo.stage_line(event)) is not None]
    assert [line.split()[0] for line in told] == ["boot"] * 4 + ["select", "complete"]
    assert "broken failed: HTTP 500 from the provider" in told[3]
