"""Scores texts by the labels of a recording."""

from __future__ import annotations

from dataclasses import dataclass

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.lab.dataset.questions import LabelledData


@dataclass(frozen=True, slots=True)
class RecordedScorer:
    """Scores texts as answers to one recorded prompt. See `answers.scoring.Scorer`."""

    data: LabelledData
    index: int

    def score(self, text: str) -> float:
        """Returns the quality of `text`, 0 to 1: as recorded, else by the right answer; 0 without one."""
        texts = self.data.questions.texts[self.index]
        if text in texts:
            return float(self.data.quality[self.index, texts.index(text)])
        right = self.data.recording.labels[self.index].answer
        found = extract(text, self.data.questions.pattern)
        return float(right is not None and found is not None and canonical(found) == canonical(right))
