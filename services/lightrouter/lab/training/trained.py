"""The learned model of each split, trained on demand and kept with the parts of the run."""

from __future__ import annotations

from pathlib import Path

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.results.parts import Parts
from lightrouter.lab.training.quality import TrainingOptions
from lightrouter.lab.training.train import train
from lightrouter.learned import artifact
from lightrouter.learned.model import Model
from lightrouter.selector.learned import CurrentModel


class Trained:
    """Trained models, by the name of their training prompts."""

    def __init__(
        self,
        parts: Parts,
        seed: int,
        given: Path | None = None,
        options: TrainingOptions | None = None,
        *,
        gains: bool = False,
        boots: bool = False,
    ) -> None:
        """Keeps the models among `parts`; trains with `seed`, or uses the artifact at `given`.

        Without `options`, those of a training hold, with or without `gains` and `boots`.

        Raises:
            ArtifactError: The artifact cannot be used.
        """
        self._parts = parts
        self._seed = seed
        self._options = options or TrainingOptions(gains=gains, boots=boots)
        self._given = None if given is None else artifact.load(given).model
        self._models: dict[str, Model] = {}

    def on(self, name: str, labelled: LabelledData) -> CurrentModel:
        """Returns a function that trains the model of these prompts on its first call; kept under `name`."""
        return lambda: self._given or self._model(name, labelled)

    def _model(self, name: str, labelled: LabelledData) -> Model:
        if name not in self._models:
            folder = self._parts.folder(f"model-{name}")
            if not (folder / artifact.MANIFEST).is_file():
                taught = train([labelled.recording], self._options, self._seed, pattern=labelled.questions.pattern)
                artifact.save(taught, folder)
            # The saved model is used, so that a resumed run gives the same figures.
            self._models[name] = artifact.load(folder).model
        return self._models[name]
