"""A run of `record` that was killed at any moment, and what the next run makes of what it left."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lightrouter.recording.load import RecordingError, load_labelled
from lightrouter.recording.prompts import Asked, read
from lightrouter.recording.recorder import OtherRecordingError, Recorded, Recorder, RecordingInUseError
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.ledger_pb2 import Ledger, LedgerEntry
from lightrouter.v1.router_pb2 import Answer, Prompt
from tests.recordings import write

CANDIDATES = [Candidate(name="fast", model="fast"), Candidate(name="deep", model="deep")]
NAMES = ["out.jsonl", "out.jsonl.gz"]


def prompts(folder: Path, **members: object) -> list[Asked]:
    lines = [{"id": f"é{n}", "prompt": f"{n}?", "answer": "B", **members} for n in range(2)]
    return read(write(folder / "prompts.jsonl", lines), "choice")


class Router:
    """Answers with the name of the candidate and the number of the call."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, prompt: Prompt) -> Answer:
        [candidate] = prompt.policy.candidates
        self.asked.append((prompt.messages[0].content, candidate))
        entry = LedgerEntry(candidate=candidate, usage=Usage(input_tokens=7, output_tokens=3))
        text = f"{candidate} says\u2028é\r\n: B"
        return Answer(text=text, ledger=Ledger(entries=[entry], usage=entry.usage, cost_nanousd=2_000_000))


def record(path: Path, asked: Sequence[Asked], *, most: int = 100, save: bool = True) -> list[tuple[str, str]]:
    """Records what is missing; returns the calls. Without `save` it ends as if it was killed before its last step."""
    router = Router()
    with Recorded(path, asked) as recorded:
        asyncio.run(Recorder(router, recorded, 1, most).record(asked, CANDIDATES, lambda: None))
        if save:
            recorded.save()
    return router.asked


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def left(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != "prompts.jsonl")


@pytest.mark.parametrize("name", NAMES)
def test_a_journal_that_was_cut_anywhere_is_resumed(tmp_path: Path, name: str) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / name
    record(path, asked)
    whole = path.read_bytes()
    path.unlink()
    record(path, asked, save=False)
    written = journal_of(path).read_bytes()
    everything = [(each.messages[0].content, candidate.name) for each in asked for candidate in CANDIDATES]
    ends = [at + 1 for at, byte in enumerate(written) if byte == ord("\n")]
    # Every cut would take 20 s; around the ends of rows each byte counts.
    for size in sorted({0, *range(1, len(written), 97), *(end + shift for end in ends for shift in (-2, -1, 0))}):
        journal_of(path).write_bytes(written[:size])
        assert record(path, asked) == everything[written[:size].count(b"\n") :]
        assert path.read_bytes() == whole
        assert left(tmp_path) == [name]
        path.unlink()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_killed_before_it_removed_its_journal_is_whole(tmp_path: Path, name: str) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / name
    record(path, asked, save=False)
    written = journal_of(path).read_bytes()
    record(path, asked)
    whole = path.read_bytes()
    journal_of(path).write_bytes(written)
    assert record(path, asked) == []
    assert path.read_bytes() == whole
    assert left(tmp_path) == [name]


def test_the_later_of_two_rows_of_one_response_counts(tmp_path: Path) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / "out.jsonl"
    record(path, asked, save=False)
    rows = journal_of(path).read_text().splitlines()
    later = json.loads(rows[0])
    later["response"]["text"] = "A"
    journal_of(path).write_text("\n".join([*rows, json.dumps(later)]) + "\n")
    assert record(path, asked) == []
    assert load_labelled(path).recording.prompts[0].responses["fast"].text == "A"
    assert load_labelled(path).labels[0].quality == {"fast": 0.0, "deep": 1.0}


GOOD = {"id": "é0", "model": "deep", "response": {"text": "B"}}


@pytest.mark.parametrize(
    "row",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00\x00\x00",
        "[" * 100_000,
        json.dumps({**GOOD, "id": ["é0"]}),
        json.dumps({**GOOD, "id": None}),
        json.dumps({**GOOD, "model": 3}),
        json.dumps({**GOOD, "response": None}),
        json.dumps({**GOOD, "response": "B"}),
        json.dumps({**GOOD, "response": {"text": None}}),
        json.dumps({**GOOD, "response": {}}),
        *(json.dumps({key: value for key, value in GOOD.items() if key != name}) for name in GOOD),
    ],
)
def test_a_row_that_is_no_response_is_named(tmp_path: Path, row: str) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / "out.jsonl"
    record(path, asked, save=False)
    journal = journal_of(path)
    journal.write_text(journal.read_text() + row + "\n")
    before = journal.read_bytes()
    with pytest.raises(RecordingError, match=r"out.jsonl.partial:5: is no JSON of a response; remove the line$"):
        Recorded(path, asked)
    assert journal.read_bytes() == before


@pytest.mark.parametrize("content", ["my notes", "id,prompt\n1,x", "{", '{"id"', '{"id": 5, "name": "x"}', '{"ID": "a'])
def test_a_file_of_the_users_own_in_the_journals_place_stays(tmp_path: Path, content: str) -> None:
    path = tmp_path / "out.jsonl"
    asked = prompts(tmp_path)
    own = journal_of(path)
    own.write_text(content)
    if '{"id": "'.startswith(content):
        # The first bytes of a journal's first line.
        assert record(path, asked)
        return
    for _ in range(2):
        with pytest.raises(RecordingError, match=r"is no (journal|JSON)"):
            record(path, asked)
        assert own.read_text() == content


@pytest.mark.parametrize("save", [True, False])
def test_a_link_in_place_of_the_output_stays(tmp_path: Path, save: bool) -> None:
    (tmp_path / "disk").mkdir()
    path = tmp_path / "out.jsonl"
    path.symlink_to(tmp_path / "disk" / "big.jsonl")
    assert record(path, prompts(tmp_path), save=save)
    record(path, prompts(tmp_path))
    assert path.is_symlink()
    assert len(load_labelled(tmp_path / "disk" / "big.jsonl").recording.prompts) == len(prompts(tmp_path))


@pytest.mark.parametrize("whole", [True, False])
def test_a_token_limit_of_a_prompt_of_its_own_belongs_to_its_responses(tmp_path: Path, whole: bool) -> None:
    path = tmp_path / "out.jsonl"
    record(path, prompts(tmp_path, max_output_tokens=50)[: 2 if whole else 1])
    again = prompts(tmp_path, max_output_tokens=50)
    assert len(record(path, again, most=200)) == (0 if whole else 2)
    journal_of(path).write_text("")
    lines = [{"id": f"é{n}", "prompt": f"{n}?", "max_output_tokens": 60} for n in range(3)]
    with pytest.raises(OtherRecordingError, match="fast was recorded with another max_output_tokens"):
        record(path, read(write(tmp_path / "prompts.jsonl", lines)))


@pytest.mark.parametrize("size", [1, 12, 40, -9, -1])
def test_a_compressed_recording_that_is_damaged_is_refused_as_it_is(tmp_path: Path, size: int) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / "out.jsonl.gz"
    record(path, asked)
    damaged = path.read_bytes()[:size]
    path.write_bytes(damaged)
    with pytest.raises(RecordingError):
        record(path, asked)
    assert path.read_bytes() == damaged
    assert left(tmp_path) == ["out.jsonl.gz"]


def test_a_name_tells_if_the_output_is_compressed_whatever_was_there(tmp_path: Path) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / "out.jsonl"
    record(path, asked)
    plain = path.read_bytes()
    path.write_bytes(gzip.compress(plain))
    assert record(path, asked) == []
    assert path.read_bytes() == plain


# Records one response, says so, and waits until it is killed, with half of another in its journal.
KILLED = """
import sys
from pathlib import Path
from lightrouter.recording.prompts import read
from lightrouter.recording.recorder import Recorded
asked = read(Path(sys.argv[1]), "choice")
with Recorded(Path(sys.argv[2]), asked) as recorded:
    recorded.add(asked[0], "fast", {"text": "paid: B", "input_tokens": 1, "output_tokens": 1})
    with open(sys.argv[2] + ".partial", "a") as journal:
        journal.write('{"id": "half')
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_two_processes_never_record_to_one_file_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    asked = prompts(tmp_path)
    path = tmp_path / "out.jsonl"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "prompts.jsonl"), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        before = journal_of(path).read_bytes()
        with pytest.raises(RecordingInUseError, match="another process records to this file now"):
            Recorded(path, asked)
        assert journal_of(path).read_bytes() == before
        other.send_signal(signal.SIGKILL)
    assert ("0?", "fast") not in record(path, asked)
    assert load_labelled(path).recording.prompts[0].responses["fast"].text == "paid: B"
    assert left(tmp_path) == ["out.jsonl"]


def test_a_run_that_records_nothing_leaves_nothing(tmp_path: Path) -> None:
    asked = prompts(tmp_path)
    with Recorded(tmp_path / "out.jsonl", asked):
        pass
    assert left(tmp_path) == []
