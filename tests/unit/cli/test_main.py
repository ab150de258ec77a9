import errno
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from lightrouter.cli import demo, localpool, up
from lightrouter.cli.__main__ import run
from lightrouter.cli.commands import LIGHTROUTER
from lightrouter.cli.errors import ExitCode
from lightrouter.cli.grammar import Commands
from lightrouter.cli.serve import SERVICES
from lightrouter.cli.steps import Steps
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
    assert '""' not in text


@pytest.mark.parametrize("words", [[], ["ask"], ["pool"], ["pool", "list"]], ids=" ".join)
def test_help_is_a_command_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "--help"]) == 0
    wanted = capsys.readouterr().out
    for at in range(len(words) if len(words) == 2 else 1):
        assert run([*words[:at], "help", *words[at:]]) == 0
        assert capsys.readouterr().out == wanted


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(up, "fetched_model", full)
    assert run(["up", "--local-model"]) == 1
    assert capsys.readouterr().err == "lightrouter up: No space left on device\n"


@pytest.mark.parametrize(
    "words",
    [
        ["record", "{prompts}", "--out", "{no}/recording.jsonl"],
        ["lab", "compare", "{recording}", "--out", "{file}/report"],
        ["lab", "experiment", "boot-length", "{recording}", "--out", "{file}"],
        ["lab", "train", "{recording}", "--out", "{file}/artifact"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {name: tmp_path / name for name in ("prompts", "recording", "file", "no")}
    places["prompts"].write_text('{"prompt": "Why?"}\n')
    responses = {name: {"text": "x", "quality": 1} for name in ("m", "n")}
    rows = [{"id": name, "prompt": f"Why {name}?", "responses": responses} for name in "abcdefgh"]
    places["recording"].write_text("".join(json.dumps(row) + "\n" for row in rows))
    places["file"].write_text("")
    assert run([word.format_map(places) for word in words]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    command = " ".join(words[: 1 + (words[0] == "lab")])
    assert re.match(rf"lightrouter {command}: {tmp_path}\S+ cannot be used: (No such file|Not a dir|File exists)", said)


@pytest.mark.parametrize(("command", "rest"), [("ask", "is the sky"), ("quote", "is"), ("pool evict", "b")])
def test_a_text_without_quotes_is_answered_with_them(
    command: str, rest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "why", *rest.split()]) == 2
    assert f" ({rest}); put a text with spaces in quotes\n" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["sk-proj-1a2b3c", "AIzaSyA1b2c3"])
def test_a_key_in_place_of_its_variable_is_not_shown(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pool", "init", "http://127.0.0.1:9", "--api-key-env", key, "--out", "none.yaml"]) == 2
    said = capsys.readouterr().err
    assert "takes the name of an environment variable" in said
    assert key not in said


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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "_LIGHTROUTER_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("lightrouter ", {"ask", "pool", "completion"}),
        ("lightrouter pool ev", {"evaluate", "evict"}),
        ("lightrouter ask --boot", {"--boot-tokens"}),
        ("lightrouter ask --selector le", {"learned"}),
        ("lightrouter serve ", set(SERVICES)),
    ],
)
def test_words_are_completed(typed: str, offered: set[str]) -> None:
    *words, incomplete = typed.split(" ")
    complete = get_completion_class("bash")
    assert complete
    found = complete(LIGHTROUTER, {}, "lightrouter", "X").get_completions(words[1:], incomplete)
    assert offered <= {item.value for item in found}


@pytest.mark.parametrize("group", [(), ("pool",), ("lab",)], ids=str)
def test_a_group_without_a_command_shows_its_help(group: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(group) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.split(" [")[0]) == ("", " ".join(("Usage: lightrouter", *group)))


def test_up_takes_the_pool_file_of_its_folder_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pool.yaml").write_text("candidates: []\n")
    assert run(["up"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pool: pool.yaml\nlightrouter up: ")


@pytest.mark.parametrize("more", [["--replay", "r"], ["--local-model"]], ids=str)
def test_up_takes_one_kind_of_candidates(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--pool", "p", *more]) == 2
    assert f"--pool and {more[0]} exclude each other; give one" in capsys.readouterr().err


def test_progress_is_told_in_lines_where_nothing_can_be_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps("reading") as steps:
        steps.expect(20)
        for _ in range(20):
            with steps.step("training"):
                pass
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [f"training: {number} of 20" for number in range(2, 21, 2)]
