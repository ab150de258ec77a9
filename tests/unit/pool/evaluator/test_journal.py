"""What was bought is known after a crash, whatever the disk made of the last lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.pool.evaluator.budget import Amount
from lightrouter.pool.evaluator.journal import Done, Journal


def opened(path: Path) -> Journal:
    return Journal(path, {"set": "x"}, {"run": "r", "seed": 1})


def bought(path: Path, key: str) -> None:
    journal = opened(path)
    journal.reserve([(key, Amount(5, 50))])
    journal.finish(key, Done(Amount(2, 20), 1.0))
    journal.close()


@pytest.mark.parametrize("damage", [b'{"done":"two","sco', b"\0\0\0\n", b"[1]\n", b"\xff\xfe\n"])
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
