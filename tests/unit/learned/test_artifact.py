from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightrouter.learned.artifact import GENERAL, MANIFEST, Artifact, ArtifactError, load, save
from lightrouter.learned.features import NAMES
from lightrouter.learned.linear import Linear
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.rows import Stranger, Written
from lightrouter.learned.trees import Tree, probability
from lightrouter.learned.words import hashed_words

PROMPTS = ["Why do cats purr?", "Why do dogs bark?", "Why do stars shine at night?"]


def artifact() -> Artifact:
    examples = [Example(hashed_words(prompt), [1.0, None], [50, 0]) for prompt in PROMPTS]
    tree = Tree([NAMES.index("complete"), -1, -1], [0.5, -1.0, 1.0], [1, 0, 0], [2, 0, 0])
    return Artifact(Model(Priors(("a", "b"), examples), [tree], 0.3), "0123", {"auc": 0.8}, {"seed": 1})


def contenders() -> list[Written]:
    return [
        Written("a", 0.5, 0, "Cats purr", complete=False),
        Written("b", 0.5, 0, "Because", complete=True),
    ]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save(artifact(), tmp_path / "one")
    loaded = load(tmp_path / "one")
    for prompt in PROMPTS:
        assert loaded.model.estimates(prompt, contenders()) == artifact().model.estimates(prompt, contenders())
    strangers = [Stranger("a", 0.2, 3), Stranger("c", 0.2, 3)]
    assert loaded.model.expected(PROMPTS[0], strangers) == artifact().model.expected(PROMPTS[0], strangers)
    assert (loaded.data_sha256, loaded.metrics, loaded.options) == ("0123", {"auc": 0.8}, {"seed": 1})


def test_the_same_artifact_is_the_same_bytes_and_no_text(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(artifact(), tmp_path / name)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
        assert b"purr" not in file.read_bytes()


def _version(folder: Path) -> None:
    _change(folder, version=99)


def _features(folder: Path) -> None:
    _change(folder, features=["length"])


def _prompts(folder: Path) -> None:
    _change(folder, prompts=7)


def _half_written(folder: Path) -> None:
    (folder / "trees.json").write_text("[]")


def _no_json(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def _missing(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _lacking(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["candidates"]
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _change(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | values))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_version, "version 99, not 1; train it anew"),
        (_features, "other features"),
        (_prompts, "holds 3 prompts, not 7"),
        (_half_written, "trees.json is not the file that the manifest is about"),
        (_no_json, "not valid JSON"),
        (_missing, "cannot be read"),
        (_lacking, "damaged"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(tmp_path: Path, spoil: object, reason: str) -> None:
    save(artifact(), tmp_path)
    assert callable(spoil)
    spoil(tmp_path)
    with pytest.raises(ArtifactError, match=reason):
        load(tmp_path)


def test_a_tree_that_goes_in_circles_is_refused(tmp_path: Path) -> None:
    endless = Tree([0, -1], [0.5, 0.0], [0, 0], [1, 0])
    made = artifact()
    save(Artifact(Model(made.model.priors, [endless], 0.3), "0", {}, {}), tmp_path)
    with pytest.raises(ArtifactError, match="a tree leads nowhere"):
        load(tmp_path)


def test_the_general_artifact_is_there_and_knows_no_text() -> None:
    general = load(GENERAL)
    assert len(general.model.priors.examples) > 4000
    assert sum(file.stat().st_size for file in GENERAL.iterdir()) < 4_000_000


def test_trees_add_up_to_log_odds() -> None:
    tree = Tree([0, -1, -1], [0.5, -1.0, 1.0], [1, 0, 0], [2, 0, 0])
    assert probability([tree, tree], [0.5]) == pytest.approx(0.1192, abs=1e-4)
    assert probability([tree], [0.6]) == pytest.approx(0.7311, abs=1e-4)
    assert probability([Tree([-1], [1e9], [0], [0])], [0.0]) == pytest.approx(1)
    assert probability([], [0.0]) == 0.5


def test_gains_shrink_with_what_is_there_already() -> None:
    first, second = artifact().model.estimates(PROMPTS[0], [each._replace(complete=False) for each in contenders()])
    assert first.quality == second.quality
    assert first.gain == first.quality
    assert second.gain == pytest.approx(0.3 * second.quality * (1 - first.quality))
    finished, other = artifact().model.estimates(PROMPTS[0], contenders()[::-1])
    assert finished.tokens == 0.0
    assert other.gain == pytest.approx(0.3 * other.quality * (1 - finished.quality))


def test_a_linear_model_counts_by_its_share() -> None:
    zeros = [0.0] * len(NAMES)
    trees = [Tree([-1], [0.0], [0], [0])]
    model = Model(Priors(["a"], [Example({1: 1}, [1.0], [4])]), trees, 0.3, Linear([1.0, *zeros[1:]], 0.1, 0.25))
    # Trees without a word in it say one half.
    assert model.quality(zeros) == pytest.approx(0.75 * 0.5 + 0.25 * 0.1)
    assert model.quality([0.6, *zeros[1:]]) == pytest.approx(0.75 * 0.5 + 0.25 * 0.7)
    assert model.quality([9.0, *zeros[1:]]) == pytest.approx(0.75 * 0.5 + 0.25)


def test_an_artifact_keeps_its_linear_model(tmp_path: Path) -> None:
    linear = Linear([0.5] * len(NAMES), -0.25, 0.4)
    model = Model(Priors(["a"], [Example({1: 1}, [1.0], [4])]), [Tree([-1], [0.0], [0], [0])], 0.3, linear)
    save(Artifact(model, "0" * 64, {}, {}), tmp_path)
    assert load(tmp_path).model.linear == linear
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    manifest["linear"]["weights"].pop()
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="weights for"):
        load(tmp_path)
