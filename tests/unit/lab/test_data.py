"""Recordings that cannot be compared on end in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightrouter.lab.dataset.data import DataError, read
from tests.recordings import line, write
from tests.unit.lab import pool


def recorded(path: Path, prompts: list[str]) -> Path:
    said = {"a": "It is 1.", "b": "It is 2."}
    return write(path, [line(prompt, said, number=number) for number, prompt in enumerate(prompts)])


@pytest.mark.parametrize(
    ("prompts", "folds", "fault"),
    [
        (["p", "q", "r"], 1, "--folds 1 leaves nothing to learn from"),
        (["p"] * 60, 5, "1 different prompts cannot make folds"),
        (["p"] * 60, 2, "1 different prompts cannot make folds"),
        (["p", "q"] * 30, 5, "give --folds 2 or less"),
        (["p"], 2, "1 different prompts cannot make folds"),
        (["p", "q"] * 30, 2, "has too few different prompts to learn from"),
    ],
)
def test_data_that_cannot_be_split_is_a_sentence(tmp_path: Path, prompts: list[str], folds: int, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        read(recorded(tmp_path / "data.jsonl", prompts), None, folds, 0, None, None)


def test_each_fold_learns_from_the_others(tmp_path: Path) -> None:
    data = read(recorded(tmp_path / "data.jsonl", ["p", "q", "r", "s"] * 15), None, 2, 0, None, None)
    assert [len(split.train) for split in data.splits] == [30, 30]


def test_a_part_of_the_pool_can_be_read(tmp_path: Path) -> None:
    path = pool.record(tmp_path / "data.jsonl", 60)
    assert read(path, None, 2, 0, None, None, ("nothing", "sums")).test.questions.models == ("sums", "nothing")
    with pytest.raises(DataError, match=r"has no model other; it has sums, history, nothing"):
        read(path, None, 2, 0, None, None, ("sums", "other"))
