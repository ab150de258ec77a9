"""What boots give, in an artifact's manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightrouter.learned.artifact import MANIFEST, Artifact, ArtifactError, load, save
from lightrouter.learned.boots import BootShare
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree

SHARES = [
    BootShare(options=True, candidates=2, tokens=10, share=0.25),
    BootShare(options=False, candidates=3, tokens=200, share=0.0),
]


def change(folder: Path, boots: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["boots"]
    (folder / MANIFEST).write_text(json.dumps(manifest | ({} if boots is None else {"boots": boots})))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = Model(Priors(("a",), [Example({1: 1}, [1.0], [40])]), [Tree([-1], [0.0], [0], [0])], 0.5, boots=SHARES)
    save(Artifact(model, "0" * 64, {}, {}), tmp_path)
    return tmp_path


def test_boots_are_loaded_and_artifacts_without_them_too(folder: Path) -> None:
    assert load(folder).model.boots == SHARES
    change(folder, None)
    assert not load(folder).model.boots


@pytest.mark.parametrize(
    "changed",
    [{"candidates": 1}, {"candidates": "two"}, {"tokens": 0}, {"tokens": -1}, {"share": 1.5}, {"share": None}],
    ids=str,
)
def test_boots_that_cannot_be_are_refused(folder: Path, changed: dict[str, object]) -> None:
    change(folder, [SHARES[0]._asdict()])
    assert load(folder).model.boots == SHARES[:1]
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["boots"] = [SHARES[0]._asdict() | changed]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="damaged"):
        load(folder)
