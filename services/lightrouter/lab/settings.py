"""Settings shared by comparisons and experiments."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from lightrouter.answers.extract import named
from lightrouter.lab.dataset import data as dataset
from lightrouter.lab.dataset.data import Data
from lightrouter.lab.results.parts import Parts, fingerprint
from lightrouter.recording import prices as price_lists
from lightrouter.recording.prices import PriceList


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run on a recording. Five folds are usual.

    Attributes:
        data: The recording to evaluate on.
        out: Folder of the report.
        train: Another recording to learn from; None: folds of `data`.
        boot_tokens: Tokens that each candidate writes before the ranking; None: a share of the training answers'
        length.
        folds: Number of folds, if there is no `train`.
        seed: Seed of every random choice.
        limit: Maximum prompts to evaluate on; None: all.
        prices: A price list that overrides the package's.
        only: The models of the pool; empty: all that are recorded.
        answer_pattern: The comparable answer, as `answers.extract.named` reads it; None: inferred.
        resume: Whether to resume an interrupted run.
        command: The command line of the run.
    """

    data: Path
    out: Path
    train: Path | None = None
    boot_tokens: int | None = None
    folds: int = 5
    seed: int = 0
    limit: int | None = None
    prices: Path | None = None
    only: tuple[str, ...] = ()
    answer_pattern: str | None = None
    resume: bool = False
    command: str = ""

    def read(self) -> Data:
        """Returns the recording and its split.

        Raises:
            DataError: The recordings cannot be used.
            RecordingError: A file cannot be read or used.
        """
        pattern = named(self.answer_pattern) if self.answer_pattern else None
        return dataset.read(self.data, self.train, self.folds, self.seed, self.limit, pattern, self.only)

    def price_list(self) -> PriceList:
        """Returns the models' prices.

        Raises:
            PriceListError: The price list cannot be used.
        """
        return price_lists.load(self.prices)

    def parts(self) -> Parts:
        """Returns the finished parts of the run.

        Raises:
            ResumeError: The existing parts are of another run.
        """
        return Parts(self.out / "parts", fingerprint(asdict(self)), resume=self.resume)

    def config(self) -> dict[str, object]:
        """Returns everything to reproduce the run: the given settings, files by SHA-256, and the version."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        hashed = {key: f"{key}_sha256" if isinstance(value, Path) else key for key, value in given.items()}
        config = {hashed[key]: value for key, value in fingerprint(given).items()}
        return {**config, "lightrouter": version("lightrouter")}
