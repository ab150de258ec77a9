"""Reads the recordings of a run, drops incomplete prompts, and splits the rest into training and test prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lightrouter.lab.dataset import patterns
from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.dataset.splits import Split, folds, unseen
from lightrouter.recording.load import load_labelled
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern

# A choice: with fewer prompts, even the best single model cannot be told.
_LEAST_TRAINING = 20
# Each fold is judged by what the others teach.
_LEAST_FOLDS = 2
# A policy that tunes itself learns from one half of its training prompts and tunes on the other.
_LEAST_DIFFERENT = 2


class DataError(Exception):
    """Recordings that cannot be used; the text is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Data:
    """The prompts of a run and their splits.

    Attributes:
        test: The test prompts, in the order of the file.
        train: Other prompts for training; None if the training prompts are folds of `test`.
        splits: Training indices, into `train` or, if that is None, into `test`, and test indices, into `test`.
        notes: What was left out and why, one sentence each.
    """

    test: LabelledData
    train: LabelledData | None
    splits: Sequence[Split]
    notes: Sequence[str]

    def parts(self) -> Iterator[tuple[LabelledData, LabelledData]]:
        """Yields the training prompts and the test prompts of each split."""
        for split in self.splits:
            source = self.test if self.train is None else self.train
            yield source.take(split.train), self.test.take(split.test)


def read(
    path: Path,
    train: Path | None,
    count: int,
    seed: int,
    limit: int | None,
    pattern: AnswerPattern | None,
    only: Sequence[str] = (),
) -> Data:
    """Returns the recording at `path` and its splits.

    Training prompts are those of `train`, None for `count` folds of `path`. The seed decides the folds, and which
    prompts remain under `limit`. Without `pattern`, it is inferred from the right answers; without `only`, all models
    that are recorded are the pool.

    Raises:
        DataError: The recordings cannot be used.
        RecordingError: A file cannot be read or used.
    """
    recording, trained = load_labelled(path), load_labelled(train) if train else None
    models = _models(recording, trained, path, only)
    if trained is None and count < _LEAST_FOLDS:
        raise DataError(
            f"--folds {count} leaves nothing to learn from; give --folds {_LEAST_FOLDS} or more, or --train"
        )
    notes: list[str] = []
    recording = _limited(_whole(recording, models, path, notes), limit, seed, path, notes)
    pattern = pattern or patterns.infer(labels.answer for labels in recording.labels)
    test = LabelledData.of(recording, models, pattern)
    if trained is None or train is None:
        return Data(test, None, _folds(test.questions.prompts, count, seed, path), notes)
    other = LabelledData.of(_whole(trained, models, path, notes), models, pattern)
    indices = unseen(other.questions.prompts, test.questions.prompts)
    if len(indices) < len(other):
        notes.append(
            f"{len(other) - len(indices)} prompts of {train} are also in {path} and were not used for training."
        )
    if len(indices) < _LEAST_TRAINING:
        raise DataError(
            f"{train} has {len(indices)} prompts that are not in {path}; at least {_LEAST_TRAINING} are needed"
        )
    _check_training([other.questions.prompts[index] for index in indices], train)
    return Data(test, other, [Split(indices, np.arange(len(test)))], notes)


def _models(
    recording: LabelledRecording, trained: LabelledRecording | None, path: Path, only: Sequence[str]
) -> tuple[str, ...]:
    """Returns the models of the pool, at least two: those of both recordings, and of `only` if it names any."""
    models = recording.recording.models
    if strange := sorted(set(only) - {*models}):
        raise DataError(f"{path} has no model {', '.join(strange)}; it has {', '.join(models)}")
    allowed = set(only or models) & set(models if trained is None else trained.recording.models)
    found = tuple(model for model in models if model in allowed)
    if len(found) < 2:
        also = "" if trained is None else " that are in --train too"
        raise DataError(f"{path} has {len(found)} models to compare{also}, not 2")
    return found


def _folds(prompts: Sequence[str], count: int, seed: int, path: Path) -> Sequence[Split]:
    try:
        splits = folds(prompts, count, seed)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    for split in splits:
        _check_training([prompts[index] for index in split.train], path)
    return splits


def _check_training(prompts: Sequence[str], path: Path | None) -> None:
    """Raises DataError if there are fewer than two different training prompts."""
    if len(set(prompts)) < _LEAST_DIFFERENT:
        raise DataError(f"{path} has too few different prompts to learn from; record more, or give more --folds")


def _whole(recording: LabelledRecording, models: Sequence[str], path: Path, notes: list[str]) -> LabelledRecording:
    """Returns the prompts for which every model has a text and a quality."""
    kept = [
        index
        for index, (prompt, labels) in enumerate(zip(recording.recording.prompts, recording.labels, strict=True))
        if all(model in labels.quality for model in models)
        and all(model in prompt.responses and prompt.responses[model].text.strip() for model in models)
    ]
    if not kept:
        raise DataError(f"{path} has no prompt with a text and a `quality` of each of {', '.join(models)}")
    if len(kept) < len(recording.labels):
        left_out = len(recording.labels) - len(kept)
        notes.append(f"{left_out} prompts of {path} lack a text or a quality of some model and were left out.")
    return recording.take(kept)


def _limited(
    recording: LabelledRecording, limit: int | None, seed: int, path: Path, notes: list[str]
) -> LabelledRecording:
    total = len(recording.labels)
    if limit is None or limit >= total:
        return recording
    drawn = np.random.default_rng(seed).choice(total, size=limit, replace=False)
    notes.append(f"{limit} of the {total} prompts of {path} were drawn with the seed.")
    return recording.take(sorted(map(int, drawn)))
