"""The parts of a run: the same run continues with them, another run never takes them."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.parts import Parts, ResumeError


def test_parts_are_kept_for_a_run_that_is_resumed_and_for_no_other(tmp_path: Path) -> None:
    Parts(tmp_path / "parts", {"seed": 1}, resume=False).keep("one", [1])
    assert Parts(tmp_path / "parts", {"seed": 1}, resume=True).recall("one") == [1]
    with pytest.raises(ResumeError, match="another seed; leave out --resume"):
        Parts(tmp_path / "parts", {"seed": 2}, resume=True)
    assert Parts(tmp_path / "parts", {"seed": 2}, resume=False).recall("one") is None


def test_a_setting_that_an_older_run_did_not_have_is_named(tmp_path: Path) -> None:
    Parts(tmp_path / "parts", {"seed": 1}, resume=False)
    with pytest.raises(ResumeError, match="another overshoot_tokens; leave out --resume"):
        Parts(tmp_path / "parts", {"seed": 1, "overshoot_tokens": None}, resume=True)


def test_outcomes_of_an_older_version_are_not_taken(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts", {}, resume=False)
    whole = Outcomes(*np.ones((len(fields(Outcomes)), 2)))
    parts.save("one", whole)
    kept = parts.load("one")
    assert kept is not None
    assert kept.held_seconds.tolist() == [1, 1]
    older = {key: value for key, value in asdict(whole).items() if not key.startswith("held_")}
    np.savez_compressed(tmp_path / "parts" / "one.npz", **older)
    assert parts.load("one") is None


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("name", ["photo.png", "settings.json", ".hidden", "inner/photo.png"])
def test_a_folder_of_somebody_else_is_left_alone(name: str, resume: bool, tmp_path: Path) -> None:
    (tmp_path / "parts" / name).parent.mkdir(parents=True)
    (tmp_path / "parts" / name).write_text("{}")
    with pytest.raises(ResumeError, match="is not of a run of this command and would be lost; name another --out"):
        Parts(tmp_path / "parts", {}, resume=resume)
    assert [path for path in (tmp_path / "parts").rglob("*") if path.is_file()] == [tmp_path / "parts" / name]


def test_a_link_to_parts_elsewhere_is_not_followed(tmp_path: Path) -> None:
    Parts(tmp_path / "elsewhere", {}, resume=False).keep("one", [1])
    (tmp_path / "parts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResumeError, match="would be lost"):
        Parts(tmp_path / "parts", {}, resume=False)
    assert Parts(tmp_path / "elsewhere", {}, resume=True).recall("one") == [1]


def test_a_file_in_the_place_of_parts_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "parts").write_text("mine")
    with pytest.raises(ResumeError, match="would be lost"):
        Parts(tmp_path / "parts", {}, resume=False)


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_a_report_of_somebody_else_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ResumeError, match=f"{name} is not of a run of this command and would be lost"):
        Parts(tmp_path / "parts", {}, resume=False)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    # A report beside parts is of an earlier run.
    (tmp_path / name).unlink()
    Parts(tmp_path / "parts", {}, resume=False)
    (tmp_path / name).write_text("its own")
    Parts(tmp_path / "parts", {"seed": 1}, resume=False)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    assert Parts(tmp_path / "parts", {}, resume=True).recall("one") is None


def test_every_name_has_a_part_of_its_own(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts", {}, resume=False)
    names = ["org/model", "org_model", "org model", "x" * 300, "x" * 299, "\u65e5", "\u672c", "../up"]
    for name in names:
        parts.keep(name, name)
    assert [parts.recall(name) for name in names] == names
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_damaged_settings_are_said(tmp_path: Path) -> None:
    Parts(tmp_path / "parts", {}, resume=False)
    (tmp_path / "parts" / "lightrouter-run.json").write_text("{")
    with pytest.raises(ResumeError, match="is damaged; leave out --resume"):
        Parts(tmp_path / "parts", {"seed": 1}, resume=True)
