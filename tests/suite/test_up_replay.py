"""`lightrouter up --replay`: the suite over a recording that the test makes."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightrouter.learned.artifact import GENERAL, MANIFEST
from tests.recordings import line, write
from tests.suite.up_support import TIMEOUT_S, Up, cli, until

LONG = "Blue light is scattered more than red light by the molecules of the air, and so it comes from everywhere."
LINES = [
    line("Why is the sky blue?", {"Wise/7B": LONG, "curt": "Scattering."}, number=1),
    line("Who are you?", {"Wise/7B": "Nobody", "curt": "No one."}, number=2),
]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, str]]:
    folder = tmp_path_factory.mktemp("replay")
    artifact = shutil.copytree(GENERAL, folder / "artifact")
    arguments = ("--pace", "--artifact", str(artifact))
    started = Up(folder, "--replay", str(write(folder / "data.jsonl.gz", LINES)), *arguments)
    try:
        yield started, started.wait_ready()
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(TIMEOUT_S) == 0
    finally:
        started.end()


def _answer(up: tuple[Up, str], *arguments: str) -> dict[str, Any]:
    """Returns the answer to a recorded prompt, by the candidate with the long text."""
    one = ("--boot-tokens", "5", "--k", "1", "--candidates", "wise-7b", "-o", "json")
    answered = cli("ask", "Why is the sky blue?", *one, *arguments, address=up[1])
    assert answered.returncode == 0, answered.stderr
    answer: dict[str, Any] = json.loads(answered.stdout)
    assert answer["text"] == LONG
    return answer


def test_recorded_prompts_get_their_recorded_answers(up: tuple[Up, str]) -> None:
    answer = _answer(up, "--selector", "prior")
    # The only candidate goes on for certain, so its call is held.
    (call,) = answer["ledger"]["entries"]
    assert (call["stage"], call["wentOn"], call["model"]) == ("STAGE_BOOT", True, "Wise/7B")
    assert call["usage"]["inputTokens"] == "10"
    assert call["costBasis"] == "COST_BASIS_REPORTED"
    # The assumed price of a model that is on no list, $0.20 per million tokens.
    assert int(answer["ledger"]["costNanousd"]) == (10 + int(call["usage"]["outputTokens"])) * 200


def test_cut_calls_get_them_too_and_read_the_prompt_twice(up: tuple[Up, str]) -> None:
    answer = _answer(up, "--hold", "never")
    boot, completion = answer["ledger"]["entries"]
    assert (boot["stage"], completion["stage"]) == ("STAGE_BOOT", "STAGE_COMPLETE")
    assert boot["usage"] == {"inputTokens": "10", "outputTokens": "5"}
    assert int(answer["ledger"]["costNanousd"]) == (10 + 5 + 15 + int(completion["usage"]["outputTokens"])) * 200


def test_both_models_are_candidates_and_nothing_is_known_of_them(up: tuple[Up, str]) -> None:
    _, address = up
    listed = json.loads(cli("pool", "list", "-o", "json", address=address).stdout)["candidates"]
    known = [(each["candidate"]["name"], each["candidate"]["model"], each["candidate"]["prior"]) for each in listed]
    assert known == [("wise-7b", "Wise/7B", 0.5), ("curt", "curt", 0.5)]


def test_the_selector_ranks_with_the_artifact_that_is_named(up: tuple[Up, str]) -> None:
    started, address = up
    asked = cli("ask", "Who are you?", "--selector", "learned", "-o", "json", address=address)
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["selection"]["strategy"] == "SELECTOR_STRATEGY_LEARNED"
    (started.folder / "artifact" / MANIFEST).write_text("{")
    until("the folder is followed", lambda: "and the last good one stays" in started.log)


@pytest.mark.parametrize("content", [None, "{"])
def test_an_artifact_that_cannot_be_used_is_a_sentence(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    refused = cli("up", "--artifact", str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.startswith("lightrouter up: --artifact: ")


def test_other_prompts_are_refused_with_a_sentence(up: tuple[Up, str]) -> None:
    _, address = up
    refused = cli("ask", "How are you?", address=address)
    assert refused.returncode == 1
    assert "curt: the recording has no response of curt to this conversation (not recorded)" in refused.stderr


@pytest.mark.parametrize(
    ("content", "arguments", "fault"),
    [
        ("{}", (), ":1: id: is required"),
        (None, (), "cannot be read: No such file or directory"),
        (None, ("--pool", "p.yaml"), "--pool and --replay exclude each other; give one"),
    ],
)
def test_a_recording_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, arguments: tuple[str, ...], fault: str
) -> None:
    path = tmp_path / "data.jsonl"
    if content is not None:
        path.write_text(content)
    done = cli("up", "--replay", str(path), *arguments)
    assert done.returncode == 2
    assert fault in done.stderr


def test_a_pace_needs_a_recording() -> None:
    done = cli("up", "--pace")
    assert done.returncode == 2
    assert "--pace is for --replay" in done.stderr
