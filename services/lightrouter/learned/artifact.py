"""What was learned as a folder of data: a manifest, the trees, and the known outcomes. Nothing in it is code."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightrouter.learned.features import NAMES
from lightrouter.learned.linear import Linear
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree

VERSION: Final = 1
"""Version of the format."""
MANIFEST: Final = "manifest.json"
"""Name of the file that says what the folder holds; it is written last."""
GENERAL: Final = Path(__file__).parent / "general"
"""The artifact that comes with the package."""
_TREES: Final = "trees.json"
_OUTCOMES: Final = "outcomes.json.gz"
_LARGEST: Final = 256 * 1024 * 1024


class ArtifactError(Exception):
    """An artifact that cannot be used; the text is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A trained model and where it comes from.

    Attributes:
        model: The model.
        data_sha256: Hash of what it was trained on.
        metrics: What it reaches in cross-validation, by name.
        options: What the training was told, by name.
    """

    model: Model
    data_sha256: str
    metrics: Mapping[str, Any]
    options: Mapping[str, Any]


def save(artifact: Artifact, folder: Path) -> None:
    """Writes the artifact into a folder, which is made where it is not there.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = artifact.model
    (folder / MANIFEST).unlink(missing_ok=True)
    trees = (_json([tree._asdict() for tree in model.trees]) + "\n").encode()
    outcomes = [
        [sorted(each.words.items()), each.quality, each.length] for each in _without_rare_words(model.priors.examples)
    ]
    files = {_TREES: trees, _OUTCOMES: gzip.compress(_json(outcomes).encode(), mtime=0)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest = {
        "version": VERSION,
        "features": NAMES,
        "candidates": model.priors.candidates,
        "prompts": len(model.priors.examples),
        "gain_share": round(model.gain_share, 4),
        "linear": None if model.linear is None else model.linear._asdict(),
        "data_sha256": artifact.data_sha256,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "options": artifact.options,
        "metrics": artifact.metrics,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def load(folder: Path) -> Artifact:
    """Reads an artifact.

    Raises:
        ArtifactError: It is not there, damaged, or of another version or schema of features.
    """
    manifest = _parsed(_read(folder / MANIFEST), folder / MANIFEST)
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or version != VERSION:
        raise ArtifactError(f"{folder} is an artifact of version {version}, not {VERSION}; train it anew")
    if manifest.get("features") != list(NAMES):
        raise ArtifactError(f"{folder} was trained on other features than these; train it anew")
    try:
        trees = [_tree(each) for each in _member(folder, _TREES, manifest)]
        candidates = [str(name) for name in manifest["candidates"]]
        examples = [_example(each, len(candidates)) for each in _member(folder, _OUTCOMES, manifest)]
        if not examples or len(examples) != manifest["prompts"]:
            raise ValueError(f"it holds {len(examples)} prompts, not {manifest['prompts']}")
        linear = _linear(manifest.get("linear"))
        model = Model(Priors(candidates, examples), trees, float(manifest["gain_share"]), linear)
        return Artifact(model, str(manifest["data_sha256"]), dict(manifest["metrics"]), dict(manifest["options"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtifactError(f"{folder} is damaged ({error}); train it anew") from None


def _linear(stored: Mapping[str, Any] | None) -> Linear | None:
    if stored is None:
        return None
    weights = [float(weight) for weight in stored["weights"]]
    if len(weights) != len(NAMES):
        raise ValueError(f"it has {len(weights)} weights for {len(NAMES)} features")
    return Linear(weights, float(stored["intercept"]), float(stored["share"]))


def _member(folder: Path, name: str, manifest: Mapping[str, Any]) -> Any:
    """Returns what a file holds that the manifest has the hash of: a folder that is half written is no artifact."""
    raw = _read(folder / name)
    if hashlib.sha256(raw).hexdigest() != manifest["files"][name]:
        raise ValueError(f"{name} is not the file that the manifest is about")
    if name.endswith(".gz"):
        with gzip.open(io.BytesIO(raw)) as unpacked:
            raw = unpacked.read(_LARGEST)
    return _parsed(raw, folder / name)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None


def _parsed(raw: bytes, path: Path) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ArtifactError(f"{path} is not valid JSON; train the artifact anew") from None


def _tree(stored: Mapping[str, Any]) -> Tree:
    tree = Tree(
        [int(each) for each in stored["features"]],
        [float(each) for each in stored["values"]],
        [int(each) for each in stored["left"]],
        [int(each) for each in stored["right"]],
    )
    if len({len(part) for part in tree}) != 1 or not tree.features:
        raise ValueError("a tree's arrays differ in length")
    for node, feature in enumerate(tree.features):
        children = (tree.left[node], tree.right[node])
        # Children stand behind their parent, so that every walk ends.
        if feature >= len(NAMES) or (feature >= 0 and not all(node < child < len(tree.features) for child in children)):
            raise ValueError("a tree leads nowhere")
    return tree


def _example(stored: Sequence[Any], candidates: int) -> Example:
    words, quality, length = stored
    if len(quality) != candidates or len(length) != candidates:
        raise ValueError("a prompt has outcomes of other candidates")
    return Example(
        {int(word): int(count) for word, count in words},
        [None if each is None else float(each) for each in quality],
        [int(each) for each in length],
    )


def _without_rare_words(examples: Sequence[Example]) -> list[Example]:
    """Returns the examples without words that stand in only one of them, which find no neighbour."""
    found: dict[int, int] = {}
    for example in examples:
        for word in example.words:
            found[word] = found.get(word, 0) + 1
    return [
        Example(
            {word: count for word, count in example.words.items() if found[word] > 1}, example.quality, example.length
        )
        for example in examples
    ]
