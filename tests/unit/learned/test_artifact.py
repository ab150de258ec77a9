from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from lightrouter.learned import gain
from lightrouter.learned.artifact import GENERAL, MANIFEST, Artifact, ArtifactError, load, prepare, save
from lightrouter.learned.features import NAMES, Candidate, PartialAnswer
from lightrouter.learned.followups import Followups, Offer
from lightrouter.learned.gain import Gains
from lightrouter.learned.linear import Linear
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree, probability
from lightrouter.learned.words import hashed_words
from lightrouter.v1.policy_pb2 import AnswerPattern

PROMPTS = ["Why do cats purr?", "Why do dogs bark?", "Why do stars shine at night?"]


def artifact() -> Artifact:
    examples = [Example(hashed_words(prompt), [1.0, None], [50, 0]) for prompt in PROMPTS]
    tree = Tree([NAMES.index("complete"), -1, -1], [0.5, -1.0, 1.0], [1, 0, 0], [2, 0, 0])
    model = Model(Priors(("a", "b"), examples), [tree], 0.3, gains=gains(), characters_per_token={"a": 2.5})
    return Artifact(model, "0123", {"auc": 0.8}, {"seed": 1})


def gains() -> Gains:
    """Gains that rise with a feature's value, for the first answer and for later ones another feature."""
    first, later = (
        [Tree([gain.NAMES.index(name), -1, -1], [0.5, 0.1, 0.2], [1, 0, 0], [2, 0, 0])] for name in ("open", "best")
    )
    further = [[Tree([-1], [value], [0], [0])] for value in (0.5, 0.05)]
    return Gains(first, later, [Tree([-1], [1.5], [0], [0])], 0.25, *further)


def contenders() -> list[PartialAnswer]:
    return [
        PartialAnswer(Candidate("a", 0.5, 0), "Cats purr", complete=False),
        PartialAnswer(Candidate("b", 0.5, 0), "Because", complete=True),
    ]


def test_a_saved_file_is_loaded(tmp_path: Path) -> None:
    save(artifact(), tmp_path / "one")
    loaded = load(tmp_path / "one")
    for prompt in PROMPTS:
        assert loaded.model.estimates(prompt, contenders()) == artifact().model.estimates(prompt, contenders())
    strangers = [Candidate("a", 0.2, 3), Candidate("c", 0.2, 3)]
    assert loaded.model.expected(PROMPTS[0], strangers) == artifact().model.expected(PROMPTS[0], strangers)
    assert (loaded.data_sha256, loaded.metrics, loaded.options) == ("0123", {"auc": 0.8}, {"seed": 1})


def test_gains_are_loaded_and_artifacts_without_them_too(tmp_path: Path) -> None:
    save(artifact(), tmp_path)
    unasked = [Candidate("a", 0.2, 3), Candidate("c", 0.2, 3)]
    answers = [PartialAnswer(Candidate("b", 0.5, 0), "Because", complete=True)]
    loaded = load(tmp_path).model
    for so_far in ([], answers):
        found = loaded.outlooks(PROMPTS[0], so_far, unasked)
        assert found == artifact().model.outlooks(PROMPTS[0], so_far, unasked)
        assert found is not None
        assert [each.tokens for each in found] == [pytest.approx(1.5 * 50 / 2.5), None]
    without = artifact()
    without.model.gains = None
    save(without, tmp_path)
    assert load(tmp_path).model.outlooks(PROMPTS[0], [], unasked) is None


def test_an_artifact_of_other_features_of_a_route_tells_nothing_of_further_answers(tmp_path: Path) -> None:
    save(artifact(), tmp_path)
    offers = [Offer(Candidate("b", 0.5, 0), 10.0), Offer(Candidate("a", 0.5, 0), 30.0)]
    assert load(tmp_path).model.followups(PROMPTS[0], offers, 1000, 1) == Followups(gain=0.05, cost=15.0)
    _change(tmp_path, further_features=["others"])
    assert load(tmp_path).model.followups(PROMPTS[0], offers, 1000, 1) is None
    assert load(tmp_path).model.outlooks(PROMPTS[0], [], [Candidate("a", 0.2, 3)]) is not None


def test_gains_without_a_share_for_the_first_answer_count_alone(tmp_path: Path) -> None:
    save(artifact(), tmp_path)
    saved = load(tmp_path).model.gains
    assert saved is not None
    assert saved.first_share == 0.25
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    del manifest["first_gain_share"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    old = load(tmp_path).model.gains
    assert old is not None
    assert old.first_share == 1


def test_gains_of_other_features_are_refused(tmp_path: Path) -> None:
    save(artifact(), tmp_path)
    _change(tmp_path, gain_features=["best"])
    with pytest.raises(ArtifactError, match="other features"):
        load(tmp_path)


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


def _trees(folder: Path, text: str | bytes) -> None:
    """Puts other trees into the artifact, with their hash."""
    _member(folder, "trees.json", text.encode() if isinstance(text, str) else text)


def _outcomes(folder: Path, text: str) -> None:
    _member(folder, "outcomes.json.gz", gzip.compress(text.encode()))


def _member(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _truncated(folder: Path) -> None:
    packed = (folder / "outcomes.json.gz").read_bytes()
    _member(folder, "outcomes.json.gz", packed[: len(packed) // 2])


def _flipped(folder: Path) -> None:
    packed = bytearray((folder / "outcomes.json.gz").read_bytes())
    packed[len(packed) // 2] ^= 0xFF
    _member(folder, "outcomes.json.gz", bytes(packed))


def _no_gzip(folder: Path) -> None:
    _member(folder, "outcomes.json.gz", b"[]")


def _pipe(folder: Path) -> None:
    (folder / "trees.json").unlink()
    os.mkfifo(folder / "trees.json")


def _huge(folder: Path) -> None:
    with (folder / "trees.json").open("wb") as file:
        file.truncate(2**40)


def _folder(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()


def _without_a_member(folder: Path) -> None:
    (folder / "outcomes.json.gz").unlink()


_LEAF = '{"features":[-1],"values":[%s],"left":[0],"right":[0]}'


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_truncated, "outcomes.json.gz is no whole gzip file"),
        (_flipped, "outcomes.json.gz is no"),
        (_no_gzip, "outcomes.json.gz is no whole gzip file"),
        (_pipe, "trees.json cannot be read: it is no file"),
        (_huge, "trees.json cannot be read: it has more than 256 MiB"),
        (_folder, "manifest.json cannot be read"),
        (_without_a_member, "outcomes.json.gz cannot be read"),
        (partial(_trees, text="{}"), "trees.json is no list"),
        (partial(_trees, text="[" * 100_000), "trees.json is not valid JSON"),
        (partial(_trees, text=b"\xff\xfe\xff"), "trees.json is not valid JSON"),
        (partial(_trees, text=f"[{_LEAF % '1'} {_LEAF % '1'}]"), "trees.json is not valid JSON"),
        (partial(_trees, text=f"[{_LEAF % '1'}"), "trees.json is not valid JSON"),
        (partial(_trees, text=f"[{_LEAF % '1'}]]"), "trees.json is not valid JSON"),
        (partial(_trees, text="["), "trees.json is not valid JSON"),
        (partial(_trees, text=""), "trees.json is no list"),
        (partial(_trees, text="[1]"), "damaged"),
        (partial(_trees, text="[null]"), "damaged"),
        (partial(_trees, text=f"[{_LEAF % 'NaN'}]"), "a number that is nan"),
        (partial(_trees, text=f"[{_LEAF % '1e999'}]"), "a number that is inf"),
        (partial(_trees, text=f"[{_LEAF % '1, 2'}]"), "differ in length"),
        (partial(_trees, text=f"[{_LEAF % ('1' * 5_000)}]"), "damaged"),
        (partial(_outcomes, text="[[[],[0.5],[1]]]"), "outcomes of other candidates"),
        (partial(_outcomes, text="[[[],[0.5,2],[1,1]]]"), "a number of 0 to 1"),
        (partial(_outcomes, text="[[[],[0.5,NaN],[1,1]]]"), "a number that is nan"),
        (partial(_outcomes, text="[[[],[0.5,null],[1,-1]]]"), "instead of a count"),
        (partial(_outcomes, text="[[[],[0.5,null],[1,1e400]]]"), "damaged"),
        (partial(_outcomes, text="[[[[1]],[0.5,null],[1,1]]]"), "damaged"),
        (partial(_outcomes, text="[[[[1,-4]],[0.5,null],[1,1]]]"), "instead of a count"),
        (partial(_outcomes, text="[]"), "holds 0 prompts, not 3"),
        (lambda folder: _change(folder, candidates=["a", "a"]), "named twice"),
        (lambda folder: _change(folder, candidates=7), "damaged"),
        (lambda folder: _change(folder, gain_share=float("nan")), "a number that is nan"),
        (lambda folder: _change(folder, gain_share=None), "damaged"),
        (lambda folder: _change(folder, files=[]), "damaged"),
        (lambda folder: _change(folder, files={}), "it lacks 'trees.json'"),
        (lambda folder: _change(folder, metrics=3), "damaged"),
        (lambda folder: _change(folder, linear=[1]), "damaged"),
        (lambda folder: _change(folder, answer_pattern={"re2": "("}), "answer_pattern cannot be used"),
        (lambda folder: _change(folder, answer_pattern={"later": 1}), "answer_pattern cannot be used"),
        (lambda folder: _change(folder, answer_pattern={}), "answer_pattern is empty"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), "manifest.json is no object"),
        (_version, "version 99, not 1; train it anew"),
        (_features, "other features"),
        (_prompts, "holds 3 prompts, not 7"),
        (_half_written, "trees.json is not the file that the manifest is about"),
        (_no_json, "not valid JSON"),
        (_missing, "cannot be read"),
        (_lacking, "damaged"),
    ],
)
def test_an_artifact_that_does_not_fit_is_refused_with_a_sentence(tmp_path: Path, spoil: object, reason: str) -> None:
    save(artifact(), tmp_path)
    assert callable(spoil)
    spoil(tmp_path)
    with pytest.raises(ArtifactError, match=reason):
        load(tmp_path)


def test_an_artifact_is_read_in_little_more_memory_than_it_keeps(tmp_path: Path) -> None:
    words = {1_000_000 + word: 1000 + word % 7 for word in range(200)}
    examples = [Example(words, [1.0, 0.0], [50, 60]) for _ in range(300)]
    save(Artifact(Model(Priors(("a", "b"), examples), artifact().model.trees, 0.3), "0", {}, {}), tmp_path)
    tracemalloc.start()
    try:
        loaded = load(tmp_path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(loaded.model.priors.examples) == 300
    # As one list, the outcomes take 9 MB more, and their integers 3 MB of that for good.
    assert peak - kept < 3_000_000
    assert kept < 5_000_000


def test_white_space_between_the_elements_says_nothing(tmp_path: Path) -> None:
    save(artifact(), tmp_path)
    _trees(tmp_path, text=f" [ {_LEAF % '1'} ,\n {_LEAF % '2'} ]\n")
    assert [list(tree.values) for tree in load(tmp_path).model.trees] == [[1.0], [2.0]]


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


@pytest.mark.parametrize("pattern", [AnswerPattern(re2=r"(\d+)"), AnswerPattern(json_pointer="/answer"), None])
def test_an_artifact_keeps_where_the_answer_stands(pattern: AnswerPattern | None, tmp_path: Path) -> None:
    made = artifact()
    model = Model(made.model.priors, made.model.trees, 0.3, pattern=pattern)
    save(Artifact(model, "0", {}, {}), tmp_path)
    assert load(tmp_path).model.pattern == pattern


def test_an_artifact_of_before_there_were_patterns_is_read(tmp_path: Path) -> None:
    save(artifact(), tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    del manifest["answer_pattern"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert load(tmp_path).model.pattern is None


@pytest.mark.parametrize("text", ['{"name": "my app"}', "[]", "no JSON", ""])
def test_a_manifest_of_something_else_is_not_overwritten(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match="is not an artifact's and would be lost; name another folder"):
        save(artifact(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]
    assert (tmp_path / MANIFEST).read_text() == text


@pytest.mark.parametrize("name", ["manifest.json", "trees.json", "outcomes.json.gz"])
def test_a_file_that_is_cut_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    save(artifact(), tmp_path / "whole")
    data = (tmp_path / "whole" / name).read_bytes()
    for cut in range(0, len(data) - 2, 1 + len(data) // 50):
        shutil.copytree(tmp_path / "whole", tmp_path / f"{cut}")
        (tmp_path / f"{cut}" / name).write_bytes(data[:cut])
        with pytest.raises(ArtifactError, match="train it anew"):
            load(tmp_path / f"{cut}")


@pytest.mark.parametrize("name", ["trees.json", "outcomes.json.gz", "gains.json", "calibration.png"])
def test_files_of_something_else_are_not_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    with pytest.raises(ArtifactError, match=f"{name} is not an artifact's and would be lost; name another folder"):
        prepare(tmp_path)
    (tmp_path / name).unlink()
    prepare(tmp_path)
