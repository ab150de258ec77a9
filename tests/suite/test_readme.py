"""What the documents print is what works: every command is one, and the README's first steps are taken as printed."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lightrouter.cli.__main__ import run
from tests.readme import DOCS, DOCUMENTS, PROGRAMS, README, ROOT, Command, blocks, commands, lines
from tests.suite.up_support import TIMEOUT_S, Chat, Up, environ, until, upstream

EVERY = [command for document in DOCUMENTS for command in commands(document)]
# The documents' addresses, in whose places the tests put those of their own servers.
GET_STARTED = DOCS / "get-started.md"
ENDPOINT, ROUTER = "http://localhost:11434/v1", "127.0.0.1:50051"


class Listing(Chat):
    """Chat completions with a list of models."""

    def do_GET(self) -> None:
        models = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in ("alpha", "beta")]
        self.answer_json({"object": "list", "data": models})


def of(program: str) -> list[Command]:
    return [each for each in EVERY if each.words[0] == program]


@pytest.mark.parametrize("command", of("lightrouter"), ids=str)
def test_lightrouter_knows_its_arguments(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    # `evict|readmit` names two, and NAME stands for a name that a reader chooses.
    words = [word.partition("|")[0] for word in command.words[1:] if word != "NAME"]
    # A service ends the process itself.
    with suppress(SystemExit):
        assert run([*words, "--help"]) == 0, capsys.readouterr().err
    flags = {word for word in words if word.startswith("--")}
    assert flags <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make_knows_its_target(command: Command) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *command.words[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_python_finds_what_it_is_to_run(command: Command) -> None:
    if command.words[1] == "-c":
        subprocess.run([sys.executable, *command.words[1:]], check=True)
        return
    kind, name = command.words[1:3] if command.words[1] == "-m" else ("", command.words[1])
    assert importlib.util.find_spec(name) if kind else (ROOT / name).is_file()


@pytest.mark.parametrize("command", [each for each in EVERY if each.words[0] != "lightrouter"], ids=str)
def test_the_files_that_a_command_names_are_there(command: Command) -> None:
    for word in command.words:
        if re.match(r"(examples|helm|deploy|protos|tests)/", word):
            assert (ROOT / word).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_line_of_a_shell_block_is_a_command(document: Path) -> None:
    assert {line.split()[0] for line in lines(document)} <= PROGRAMS


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the environment of a checkout after `make demo` or `make test`."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv" / "bin").mkdir(parents=True)
    scripts = Path(sys.executable).parent
    (folder / ".venv" / "bin" / "activate").write_text(f'export PATH="{scripts}:$PATH"\n')
    return folder


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """Makes a pool file and starts the suite with it as the README says; yields the router's address."""
    init, up = blocks(README, "sh")[1].strip().splitlines()[1:]
    with upstream(Listing) as url:
        sh(f"source .venv/bin/activate\n{init.replace(ENDPOINT, url)}", place)
        (command,) = (each for each in EVERY if each.whole and each.words[:2] == ["lightrouter", "up"])
        assert re.split(r"\s+#", up)[0] == command.text == f"lightrouter up --pool pool.yaml --listen {ROUTER}"
        started = Up(place, "--pool", str(place / "pool.yaml"))
        try:
            yield started.wait_ready()
        finally:
            started.end()


def sh(script: str, folder: Path, **more: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ(more),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_question_is_asked_as_printed(place: Path, address: str) -> None:
    ask = blocks(README, "sh")[2].replace(ROUTER, address)
    assert "begins" in sh(ask, place)


@pytest.mark.parametrize("page", ["concepts/money.md", "how-to/tune.md"])
def test_a_worth_is_quoted_and_asked_as_printed(place: Path, address: str, page: str) -> None:
    script = "\n".join(line for line in lines(DOCS / page) if line.startswith("lightrouter"))
    assert "expected" in sh(f"source .venv/bin/activate\n{script}", place, LIGHTROUTER_ADDRESS=address)


def test_the_python_client_works_as_printed(address: str) -> None:
    (program,) = blocks(GET_STARTED, "python")
    done = subprocess.run(
        [sys.executable, "-c", program.replace(ROUTER, address)],
        env=environ({}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nano-dollars" in done.stdout


def test_a_recording_is_made_and_learnt_from_as_printed(place: Path, address: str) -> None:
    (block,) = [each for each in blocks(DOCS / "how-to" / "train.md", "sh") if "lab train" in each]
    task = {"task": "pattern", "pattern": "ends"}
    prompts = [{"id": f"p{number}", "prompt": f"Question {number}?", **task} for number in range(40)]
    (place / "prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    *made, serve = block.strip().splitlines()
    sh("\n".join(["source .venv/bin/activate", *made]), place, LIGHTROUTER_ADDRESS=address)
    ready = place / "selector-ready"
    words = [sys.executable, "-m", "lightrouter.cli", *shlex.split(serve, comments=True)[1:]]
    flags = ["--listen", "127.0.0.1:0", "--ready-file", str(ready)]
    with subprocess.Popen([*words, *flags], cwd=place, env=environ({}), stderr=subprocess.PIPE, text=True) as process:
        until("the selector serves", lambda: ready.exists() or process.poll() is not None)
        process.terminate()
        assert process.wait(TIMEOUT_S) == 0, process.stderr and process.stderr.read()


def test_the_image_that_is_made_is_the_charts() -> None:
    made = re.search(r"make image\s+# (\S+),", GET_STARTED.read_text(encoding="utf-8"))
    chart = (ROOT / "helm/lightrouter/Chart.yaml").read_text(encoding="utf-8")
    version = re.search(r"^appVersion: (.*)$", chart, re.MULTILINE)
    assert made
    assert version
    assert made[1] == f"lightrouter:{version[1]}"
    tag = re.search(r"^tag=.*$", (ROOT / "tools/image").read_text(encoding="utf-8"), re.MULTILINE)
    assert tag
    assert sh(f"{tag[0]}; echo $tag", ROOT).strip() == made[1]
    assert f"${{LIGHTROUTER_IMAGE:-{made[1]}}}" in (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")


def test_the_extras_that_are_named_are_there() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [name for each in EVERY if each.words[0] == "pip" for name in re.findall(r"\[(.*)\]", each.text)]
    assert {name for names in named for name in names.split(",")} <= set(extras)
