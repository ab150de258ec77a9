"""What was bought is known after a crash, whatever the disk made of the last lines."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lightrouter.evaluator.budget import Amount
from lightrouter.evaluator.journal import CallResult, Journal


def opened(path: Path, versions: Mapping[str, str] = {}, *, run: str = "r", told: str = "x") -> Journal:
    return Journal(path, {"set": told}, versions, {"run": run, "seed": 1})


def bought(path: Path, key: str) -> None:
    journal = opened(path)
    journal.reserve([(key, Amount(5, 50))])
    journal.finish(key, CallResult(Amount(2, 20), 1.0))
    journal.close()


@pytest.mark.parametrize(
    "damage",
    [
        b'{"done":"two","sco',
        b"\0\0\0\n",
        b"[1]\n",
        b"\xff\xfe\n",
        b"\n",
        b"[" * 100_000 + b"\n",
        b'{"a":' * 100_000 + b"\n",
        b'{"done":"lost"}\n',
        b'{"done":"lost","nanousd":null,"tokens":1,"score":1}\n',
        b'{"done":"lost","nanousd":-100,"tokens":1,"score":1}\n',
        b'{"done":"lost","nanousd":1,"tokens":1,"score":"1"}\n',
        b'{"done":"lost","nanousd":1,"tokens":1,"score":7}\n',
        b'{"done":"lost","nanousd":1,"tokens":1,"score":NaN}\n',
        b'{"done":"lost","nanousd":' + b"9" * 5000 + b',"tokens":1,"score":1}\n',
        b'{"reserve":5}\n',
        b'{"reserve":"lost","nanousd":"5","tokens":1}\n',
        b'{"goes_on":3}\n',
        b'{"goes_on":{}}\n',
    ],
)
def test_damage_costs_what_came_after_it_and_nothing_that_follows(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    bought(path, "one")
    with path.open("ab") as file:
        file.write(damage)
    bought(path, "two")
    journal = opened(path)
    journal.close()
    assert set(journal.done) == {"one", "two"}
    assert journal.spent == Amount(4, 40)


def test_a_file_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"[]\n{}\n")
    bought(path, "one")
    assert set(opened(path).done) == {"one"}
    # It may be the user's own.
    assert (tmp_path / "journal.jsonl.before").read_bytes() == b"[]\n{}\n"


@pytest.mark.parametrize(
    ("edit", "goes_on"),
    [
        (lambda data: data.replace(b"\n", b"\r\n"), True),
        (lambda data: b"\xef\xbb\xbf" + data, True),
        (lambda data: data.rstrip(b"\n") + b"\n\n\n", True),
        (lambda data: data.decode().encode("utf-16"), False),
        (gzip.compress, False),
        (lambda data: data[10:], False),
    ],
)
def test_a_journal_that_was_edited_goes_on_or_is_kept(
    tmp_path: Path, edit: Callable[[bytes], bytes], goes_on: bool
) -> None:
    path = tmp_path / "journal.jsonl"
    bought(path, "one")
    edited = edit(path.read_bytes())
    path.write_bytes(edited)
    journal = opened(path)
    journal.close()
    assert set(journal.done) == ({"one"} if goes_on else set())
    kept = tmp_path / "journal.jsonl.before"
    assert kept.exists() is not goes_on
    assert goes_on or kept.read_bytes() == edited


def filled(path: Path) -> Journal:
    """Returns a journal with an answer, a text that no judge has read, and a verdict that could not be read."""
    journal = opened(path, {"answer/a": "1", "answer/b": "1", "judge/b": "j"})
    journal.reserve([("answer/a/q/1", Amount(9, 90)), ("answer/b/q", Amount(9, 90)), ("judge/b/00/q", Amount(9, 90))])
    journal.finish("answer/a/q/1", CallResult(Amount(1, 10), 1.0))
    journal.finish("answer/b/q", CallResult(Amount(2, 20), text="said"))
    journal.finish("judge/b/00/q", CallResult(Amount(3, 30)))
    return journal


SAME = {"answer/a": "1", "answer/b": "1", "judge/b": "j"}


def test_a_killed_one_goes_on_with_what_it_has_spent(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    filled(path).close()
    journal = opened(path, SAME, run="other")
    assert (journal.resumed, journal.paused, journal.begin["run"]) == (True, False, "r")
    assert set(journal.done) == {"answer/a/q/1", "answer/b/q", "judge/b/00/q"}
    assert journal.spent == Amount(6, 60)
    journal.close()


def test_a_paused_one_goes_on_under_a_new_name_with_a_new_budget(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = filled(path)
    journal.reserve([("answer/a/q/2", Amount(7, 70))])
    journal.pause()
    journal.close()
    for _ in range(2):
        journal = opened(path, SAME, run="next")
        assert (journal.resumed, journal.begin["run"]) == (True, "next")
        # What a judge made of it is asked once more; what was answered is there.
        assert set(journal.done) == {"answer/a/q/1", "answer/b/q"}
        assert journal.done["answer/b/q"].text == "said"
        assert journal.spent == Amount()
        journal.close()
    journal = opened(path, SAME, run="third")
    journal.reserve([("answer/a/q/3", Amount(5, 50))])
    journal.finish("answer/a/q/3", CallResult(Amount(4, 40), 0.0, failure="busy", passing=True))
    journal.close()
    journal = opened(path, SAME)
    assert journal.spent == Amount(4, 40)
    assert journal.done["answer/a/q/3"] == CallResult(Amount(4, 40), 0.0, failure="busy", passing=True)
    assert journal.begin["run"] == "next"
    journal.close()


@pytest.mark.parametrize("pause", [True, False])
def test_answers_of_another_version_are_asked_anew_and_stay_paid(tmp_path: Path, pause: bool) -> None:
    path = tmp_path / "journal.jsonl"
    journal = filled(path)
    if pause:
        journal.pause()
    journal.close()
    changed = {**SAME, "answer/b": "2", "judge/b": "k", "answer/c": "1"}
    for _ in range(2):
        journal = opened(path, changed)
        assert set(journal.done) == {"answer/a/q/1"}
        assert journal.spent == (Amount() if pause else Amount(6, 60))
        journal.close()


@pytest.mark.parametrize("old", [False, True])
def test_paid_work_of_another_plan_is_kept_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, old: bool
) -> None:
    path = tmp_path / "journal.jsonl"
    filled(path).close()
    if old:
        # An earlier release wrote no version of what it asked.
        path.write_text(path.read_text().replace('{"version":2', '{"version":1'))
    before = path.read_bytes()
    journal = opened(path, SAME, told="x" if old else "y")
    journal.close()
    assert not journal.resumed
    assert not journal.done
    assert (tmp_path / "journal.jsonl.before").read_bytes() == before
    assert "the 3 calls that it had paid for are kept" in caplog.text


def test_paid_work_is_kept_beside_what_was_kept_before(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    (tmp_path / "journal.jsonl.before").write_text("a file of the user's own")
    filled(path).close()
    before = path.read_bytes()
    opened(path, SAME, told="y").close()
    assert (tmp_path / "journal.jsonl.before").read_text() == "a file of the user's own"
    assert (tmp_path / "journal.jsonl.before2").read_bytes() == before


def test_one_that_has_ended_is_replaced_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.jsonl"
    journal = filled(path)
    journal.end()
    journal.close()
    with caplog.at_level(logging.WARNING):
        journal = opened(path, SAME)
    journal.close()
    assert not journal.resumed
    assert not caplog.text
    assert [path] == list(tmp_path.iterdir())
    assert json.loads(path.read_text())["versions"] == SAME
