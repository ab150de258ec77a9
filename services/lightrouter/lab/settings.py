"""The settings that a comparison and an experiment share."""

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
    """The settings of a run on a recording.

    Attributes:
        data: The recording that policies are evaluated on.
        out: Folder of the report.
        train: Another recording to learn from; None: folds of `data`.
        boot_tokens: Tokens that each candidate writes before the ranking; None: a share of the median answer.
        folds: Number of folds if there is no `train`.
        seed: Decides every random choice.
        limit: Most prompts that policies are evaluated on; None: all.
        prices: A price list that overrides the one of the package.
        answer_pattern: The comparable answer, as `answers.extract.named` reads it; None: inferred.
        resume: Whether an interrupted run is continued.
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
    answer_pattern: str | None = None
    resume: bool = False
    command: str = ""

    def read(self) -> Data:
        """Returns the recording and its splits.

        Raises:
            DataError: The recordings cannot be used.
            RecordingError: A file cannot be read or used.
        """
        pattern = named(self.answer_pattern) if self.answer_pattern else None
        return dataset.read(self.data, self.train, self.folds, self.seed, self.limit, pattern)

    def price_list(self) -> PriceList:
        """Returns the prices of the models.

        Raises:
            PriceListError: The price list cannot be used.
        """
        return price_lists.load(self.prices)

    def warnings(self, data: Data, price_list: PriceList) -> list[str]:
        """Returns what the reader must know about the prices, one sentence each."""
        questions = data.test.questions
        return list(price_list.complaints(questions.models, questions.costed))

    def parts(self) -> Parts:
        """Returns the parts that are done already.

        Raises:
            ResumeError: The folder holds parts of another run.
        """
        return Parts(self.out / "parts", fingerprint(asdict(self)), resume=self.resume)

    def config(self) -> dict[str, object]:
        """Returns what is needed to repeat the run: the settings, files as SHA-256, and the version."""
        given = {key: value for key, value in asdict(self).items() if value is not None}
        hashed = {key: f"{key}_sha256" if isinstance(value, Path) else key for key, value in given.items()}
        config = {hashed[key]: value for key, value in fingerprint(given).items()}
        return {**config, "lightrouter": version("lightrouter")}
