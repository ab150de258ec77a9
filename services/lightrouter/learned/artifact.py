"""A trained model as a folder of data: a manifest, the trees, and the known outcomes. It contains no code."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format

from lightrouter.answers.extract import check
from lightrouter.learned import followups, gain
from lightrouter.learned.boots import BootShare
from lightrouter.learned.features import NAMES
from lightrouter.learned.gain import Gains
from lightrouter.learned.linear import Linear
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.policy_pb2 import AnswerPattern

VERSION: Final = 1
"""Version of the format."""
MANIFEST: Final = "manifest.json"
"""Name of the folder's manifest; it is written last."""
GENERAL: Final = Path(__file__).parent / "general"
"""The artifact that comes with the package."""
_TREES: Final = "trees.json"
_OUTCOMES: Final = "outcomes.json.gz"
_GAINS: Final = "gains.json"
_GAIN_TREES: Final = ("first", "later", "length")
_FURTHER_TREES: Final = ("further_cost", "further_gain")
FIGURE: Final = "calibration.png"
"""Name of the plot beside its files."""
FILES: Final = (MANIFEST, _TREES, _OUTCOMES, _GAINS)
"""Names of all its files; an artifact without trained gains has no file of them."""
# Maximum bytes of a file, packed and unpacked: a larger one would exhaust the memory.
_LARGEST: Final = 256 * 1024 * 1024
_MOST_COUNT: Final = 2**31 - 1
# With fewer, there is nothing to choose from.
_FEWEST_BOOTING: Final = 2
# zlib's window of 32 KiB, and 16 for a gzip header and trailer.
_GZIP: Final = 15 + 16


class ArtifactError(Exception):
    """An artifact that cannot be used; the text is one sentence with the reason and what to do."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A trained model and its origin.

    Attributes:
        model: The model.
        data_sha256: Hash of its training data.
        metrics: Its figures in cross-validation, by name.
        options: The options of its training, by name.
    """

    model: Model
    data_sha256: str
    metrics: Mapping[str, Any]
    options: Mapping[str, Any]


def save(artifact: Artifact, folder: Path) -> None:
    """Writes the artifact into a folder, which is created if missing.

    Raises:
        ArtifactError: The folder is not free for one. See `prepare`.
        OSError: It cannot be written.
    """
    prepare(folder)
    model = artifact.model
    (folder / MANIFEST).unlink(missing_ok=True)
    trees = (_json([tree._asdict() for tree in model.trees]) + "\n").encode()
    outcomes = [
        [sorted(each.words.items()), each.quality, each.length] for each in _without_rare_words(model.priors.examples)
    ]
    files = {_TREES: trees, _OUTCOMES: gzip.compress(_json(outcomes).encode(), mtime=0)}
    if model.gains is not None:
        kinds = (*_GAIN_TREES, *_FURTHER_TREES)
        gains = {name: [tree._asdict() for tree in getattr(model.gains, name)] for name in kinds}
        files[_GAINS] = (_json([gains]) + "\n").encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest = {
        "version": VERSION,
        "features": NAMES,
        "gain_features": gain.NAMES,
        "further_features": followups.NAMES,
        "first_gain_share": None if model.gains is None else model.gains.first_share,
        "candidates": model.priors.candidates,
        "characters_per_token": model.characters_per_token,
        "boots": [each._asdict() for each in model.boots],
        "prompts": len(model.priors.examples),
        "gain_share": round(model.gain_share, 4),
        "linear": None if model.linear is None else model.linear._asdict(),
        "answer_pattern": None if model.pattern is None else json_format.MessageToDict(model.pattern),
        "data_sha256": artifact.data_sha256,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "options": artifact.options,
        "metrics": artifact.metrics,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def prepare(folder: Path) -> None:
    """Creates the folder for an artifact, before minutes of training.

    Raises:
        ArtifactError: The folder has another program's files, which would be lost.
        OSError: It cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).exists():
        if strange := next((name for name in (_TREES, _OUTCOMES, _GAINS, FIGURE) if (folder / name).exists()), None):
            raise ArtifactError(f"{folder / strange} is not an artifact's and would be lost; name another folder")
        return
    try:
        manifest = _parsed(_read(folder / MANIFEST), MANIFEST)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or "features" not in manifest:
        raise ArtifactError(f"{folder / MANIFEST} is not an artifact's and would be lost; name another folder")


def load(folder: Path) -> Artifact:
    """Reads an artifact. Old artifacts have no pattern.

    Raises:
        ArtifactError: It is missing, damaged, or of another version or feature schema.
    """
    try:
        return _loaded(folder)
    except KeyError as error:
        reason = f"it lacks {error}"
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        reason = str(error) or type(error).__name__
    raise ArtifactError(f"{folder} is damaged ({reason}); train it anew")


def _loaded(folder: Path) -> Artifact:
    manifest = _parsed(_read(folder / MANIFEST), MANIFEST)
    if not isinstance(manifest, dict):
        raise TypeError(f"{MANIFEST} is no object")
    version = manifest.get("version")
    if version != VERSION:
        raise ArtifactError(f"{folder} is an artifact of version {version}, not {VERSION}; train it anew")
    if manifest.get("features") != list(NAMES):
        raise ArtifactError(f"{folder} was trained on other features than these; train it anew")
    trees = [_tree(each) for each in _member(folder, _TREES, manifest)]
    candidates = [str(name) for name in manifest["candidates"]]
    if not candidates or len(set(candidates)) < len(candidates):
        raise ValueError("its candidates are none, or one is named twice")
    examples = [_example(each, len(candidates)) for each in _member(folder, _OUTCOMES, manifest)]
    if not examples or len(examples) != manifest["prompts"]:
        raise ValueError(f"it holds {len(examples)} prompts, not {manifest['prompts']}")
    return Artifact(
        model=Model(
            priors=Priors(candidates, examples),
            trees=trees,
            gain_share=_share(manifest["gain_share"]),
            linear=_linear(manifest.get("linear")),
            pattern=_pattern(manifest.get("answer_pattern")),
            gains=_gains(folder, manifest),
            characters_per_token=_ratios(manifest.get("characters_per_token") or {}),
            boots=[_boot(each) for each in manifest.get("boots") or ()],
        ),
        data_sha256=str(manifest["data_sha256"]),
        metrics=dict(manifest["metrics"]),
        options=dict(manifest["options"]),
    )


def _gains(folder: Path, manifest: Mapping[str, Any]) -> Gains | None:
    if _GAINS not in manifest["files"]:
        return None
    if manifest["gain_features"] != list(gain.NAMES):
        raise ArtifactError(f"the gains of {folder} were trained on other features than these; train it anew")
    (stored,) = _member(folder, _GAINS, manifest)
    most = len(gain.NAMES)
    trees = {name: [_tree(tree, most) for tree in stored[name]] for name in _GAIN_TREES}
    # Artifacts of other versions tell nothing of further answers.
    if manifest.get("further_features") == list(followups.NAMES):
        most = len(followups.NAMES)
        trees |= {name: [_tree(tree, most) for tree in stored[name]] for name in _FURTHER_TREES}
    # Old artifacts have no share: the trees alone count.
    return Gains(**trees, first_share=_share(manifest.get("first_gain_share", 1.0)))


def _ratios(stored: Mapping[str, Any]) -> dict[str, float]:
    ratios = {str(name): _number(ratio) for name, ratio in stored.items()}
    if any(ratio <= 0 for ratio in ratios.values()):
        raise ValueError("a candidate's tokens have no characters")
    return ratios


def _boot(stored: Mapping[str, Any]) -> BootShare:
    candidates, tokens = _count(stored["candidates"]), _count(stored["tokens"])
    if candidates < _FEWEST_BOOTING or not tokens:
        raise ValueError(f"it has a boot of {candidates} candidates by {tokens} tokens")
    # Old artifacts tell nothing of the answers after a boot.
    shares = (_share(stored["share"]), _share(stored.get("further_gain", 0.0)), _share(stored.get("further_cost", 0.0)))
    return BootShare(bool(stored["options"]), candidates, tokens, *shares)


def _linear(stored: Mapping[str, Any] | None) -> Linear | None:
    if stored is None:
        return None
    weights = [_number(weight) for weight in stored["weights"]]
    if len(weights) != len(NAMES):
        raise ValueError(f"it has {len(weights)} weights for {len(NAMES)} features")
    return Linear(weights, _number(stored["intercept"]), _share(stored["share"]))


def _pattern(stored: Mapping[str, Any] | None) -> AnswerPattern | None:
    if stored is None:
        return None
    try:
        pattern = json_format.ParseDict(dict(stored), AnswerPattern())
        check(pattern)
    except (json_format.ParseError, ServiceError) as error:
        raise ValueError(f"its answer_pattern cannot be used: {error}") from None
    if pattern.WhichOneof("pattern") is None:
        raise ValueError("its answer_pattern is empty")
    return pattern


def _member(folder: Path, name: str, manifest: Mapping[str, Any]) -> Iterator[Any]:
    """Yields the elements of the list in a file, checked by the manifest's hash: a half-written folder is no artifact.

    They are read one by one, and equal integers are one object: a list of hundreds of thousands of small objects would
    leave the process with 25 MB of memory that it cannot give back.
    """
    raw = _read(folder / name)
    if hashlib.sha256(raw).hexdigest() != manifest["files"][name]:
        raise ValueError(f"{name} is not the file that the manifest is about")
    try:
        text = (_unpacked(raw, name) if name.endswith(".gz") else raw).decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not valid JSON") from None
    del raw
    if not text.startswith("["):
        raise TypeError(f"{name} is no list")
    decode = json.JSONDecoder(parse_int=cache(int)).raw_decode
    at, end = _next(text, 1), len(text) - 1
    while at < end:
        try:
            element, at = decode(text, at)
        except (ValueError, RecursionError):
            raise ValueError(f"{name} is not valid JSON") from None
        yield element
        at = _next(text, at)
        if at < end and text[at] != ",":
            break
        at = _next(text, at + 1) if at < end else at
    if at != end or text[end] != "]":
        raise ValueError(f"{name} is not valid JSON")


def _next(text: str, at: int) -> int:
    """Returns the place of the next character from `at` on that is no white space."""
    while text[at : at + 1].isspace():
        at += 1
    return at


def _unpacked(raw: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(raw, _LARGEST + 1)
    except zlib.error as error:
        raise ValueError(f"{name} is no whole gzip file: {error}") from None
    if len(unpacked) > _LARGEST:
        raise ValueError(f"{name} holds more than {_LARGEST >> 20} MiB")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"{name} is no whole gzip file")
    return unpacked


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _read(path: Path) -> bytes:
    """Returns the content of a regular file: reading from a pipe would never end."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ArtifactError(f"{path} cannot be read: it is no file")
        if found.st_size > _LARGEST:
            raise ArtifactError(f"{path} cannot be read: it has more than {_LARGEST >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None


def _parsed(raw: bytes, name: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError(f"{name} is not valid JSON") from None


def _tree(stored: Mapping[str, Any], features: int = len(NAMES)) -> Tree:
    tree = Tree(
        [int(each) for each in stored["features"]],
        [_number(each) for each in stored["values"]],
        [int(each) for each in stored["left"]],
        [int(each) for each in stored["right"]],
    )
    if len({len(part) for part in tree}) != 1 or not tree.features:
        raise ValueError("a tree's arrays differ in length")
    for node, feature in enumerate(tree.features):
        children = (tree.left[node], tree.right[node])
        # Children come after their parent, so that every walk ends.
        if feature >= features or (feature >= 0 and not all(node < child < len(tree.features) for child in children)):
            raise ValueError("a tree leads nowhere")
    return tree


def _example(stored: Sequence[Any], candidates: int) -> Example:
    words, quality, length = stored
    if len(quality) != candidates or len(length) != candidates:
        raise ValueError("a prompt has outcomes of other candidates")
    return Example(
        {_count(word): max(1, _count(times)) for word, times in words},
        [None if each is None else _share(each) for each in quality],
        [_count(each) for each in length],
    )


def _number(stored: Any) -> float:
    number = float(stored)
    if not math.isfinite(number):
        raise ValueError(f"it has a number that is {number}")
    return number


def _share(stored: Any) -> float:
    number = _number(stored)
    if not 0 <= number <= 1:
        raise ValueError(f"it has {number} instead of a number of 0 to 1")
    return number


def _count(stored: Any) -> int:
    number = int(stored)
    if not 0 <= number <= _MOST_COUNT:
        raise ValueError(f"it has {number} instead of a count")
    return number


def _without_rare_words(examples: Sequence[Example]) -> list[Example]:
    """Returns the examples without words that only one of them has, which find no neighbour."""
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
