"""What boots give is learned from answers that are cut, and kept only where it pays on whole routes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.planning import Planning, cross_planned
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.learned.artifact import FILES, MANIFEST, load, save
from lightrouter.recording.prices import Price, PriceList
from lightrouter.recording.recording import LabelledRecording
from tests.unit.lab import pool

OPTIONS = TrainingOptions(boot_tokens=(5, 10), rounds=20)
# Per million tokens; a word of a right answer is worth many of them.
PRICES = PriceList(other=Price(input=0.1, output=4.0), models={})


def planning(*recorded: LabelledRecording) -> Planning:
    return cross_planned(Cases.of(recorded), replace(OPTIONS, boots=True), 0, PRICES)


def test_telling_beginnings_of_long_answers_pay(tmp_path: Path) -> None:
    found = planning(pool.hedged(tmp_path / "one.jsonl", telling=True))
    assert [(each.options, each.candidates, each.tokens) for each in found.boots] == [(True, 2, 5), (True, 2, 10)]
    assert all(each.share > 0.5 for each in found.boots)
    # The choice has told what a further answer would.
    assert all(each.further_gain < 0.5 for each in found.boots)
    (paid,) = found.paid
    assert (paid.options, paid.prompts, paid.kept) == (True, 180, True)
    assert 0 < paid.begun <= 1
    assert paid.row == {
        "options": True,
        "prompts": 180,
        "begun": round(paid.begun, 4),
        "gain": [round(each, 5) for each in paid.gain],
        "kept": True,
    }


def test_telling_beginnings_of_short_answers_do_not(tmp_path: Path) -> None:
    """What a loser writes until the choice is known costs as much as its whole answer, which tells more."""
    found = planning(pool.hedged(tmp_path / "one.jsonl", telling=True, words=0))
    assert not found.boots
    assert [each.kept for each in found.paid] == [False]
    assert found.paid[0].gain.mean <= 0


def test_beginnings_that_tell_nothing_do_not(tmp_path: Path) -> None:
    found = planning(pool.hedged(tmp_path / "one.jsonl", telling=False))
    assert not found.boots
    assert [each.kept for each in found.paid] == [False]


def test_lettered_and_other_prompts_are_learned_apart(tmp_path: Path) -> None:
    found = planning(
        pool.hedged(tmp_path / "one.jsonl", telling=True),
        pool.hedged(tmp_path / "two.jsonl", telling=False, options=False),
    )
    assert {each.options for each in found.boots} == {True}
    assert [(each.options, each.kept) for each in found.paid] == [(True, True), (False, False)]


def test_a_training_learns_it_if_it_is_to_and_nothing_else_changes(tmp_path: Path) -> None:
    recording = pool.hedged(tmp_path / "one.jsonl", telling=True)
    without, with_boots = (
        train([recording], replace(OPTIONS, boots=boots), 3, prices=PRICES) for boots in (False, True)
    )
    assert not without.model.boots
    assert any(each.share for each in with_boots.model.boots)
    for name, artifact in (("without", without), ("with", with_boots)):
        save(artifact, tmp_path / name)
    same = [name for name in FILES if name != MANIFEST]
    assert [(tmp_path / "without" / name).read_bytes() for name in same] == [
        (tmp_path / "with" / name).read_bytes() for name in same
    ]
    assert load(tmp_path / "with").model.boots == with_boots.model.boots
