"""What boots give is learned from answers that are cut: it is there if beginnings tell who is right, and else not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lightrouter.lab.training.boots import boot_shares
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.learned.artifact import FILES, MANIFEST, load, save
from tests.unit.lab import pool

OPTIONS = TrainingOptions(boot_tokens=(5, 10), rounds=40)


def test_telling_beginnings_give_a_rise_near_all_that_a_perfect_choice_would(tmp_path: Path) -> None:
    shares = boot_shares(Cases.of([pool.hedged(tmp_path / "one.jsonl", telling=True)]), OPTIONS, 0)
    assert [(each.options, each.candidates, each.tokens) for each in shares] == [(True, 2, 5), (True, 2, 10)]
    assert all(each.share > 0.7 for each in shares)


def test_beginnings_that_tell_nothing_give_none(tmp_path: Path) -> None:
    shares = boot_shares(Cases.of([pool.hedged(tmp_path / "one.jsonl", telling=False)]), OPTIONS, 0)
    assert [each.share for each in shares] == [0.0, 0.0]


def test_lettered_and_other_prompts_are_learned_apart(tmp_path: Path) -> None:
    both = [
        pool.hedged(tmp_path / "one.jsonl", telling=True),
        pool.hedged(tmp_path / "two.jsonl", telling=False, options=False),
    ]
    found = {(each.options, each.tokens): each.share for each in boot_shares(Cases.of(both), OPTIONS, 0)}
    assert found[True, 10] > 0.5 > found[False, 10]


def test_a_training_learns_it_if_it_is_to_and_nothing_else_changes(tmp_path: Path) -> None:
    recording = pool.hedged(tmp_path / "one.jsonl", telling=True, prompts=80)
    without, with_boots = (train([recording], replace(OPTIONS, boots=boots), 3) for boots in (False, True))
    assert not without.model.boots
    assert any(each.share for each in with_boots.model.boots)
    for name, artifact in (("without", without), ("with", with_boots)):
        save(artifact, tmp_path / name)
    same = [name for name in FILES if name != MANIFEST]
    assert [(tmp_path / "without" / name).read_bytes() for name in same] == [
        (tmp_path / "with" / name).read_bytes() for name in same
    ]
    assert load(tmp_path / "with").model.boots == with_boots.model.boots
