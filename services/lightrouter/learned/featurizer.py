"""Makes the features of candidates' partial answers, in the same way for training and for serving."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Final

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.learned.excerpt import digest
from lightrouter.learned.features import Candidate, PartialAnswer, Question, features, question, tentative_answer
from lightrouter.learned.priors import Neighbours, Prior, Priors
from lightrouter.v1.policy_pb2 import AnswerPattern

# Conversations whose features are cached: the shortlist and each ranking of a route need the same.
_CACHED: Final = 256


class Featurizer:
    """Makes features from the known outcomes.

    Attributes:
        priors: The known outcomes.
    """

    def __init__(self, priors: Priors) -> None:
        self.priors = priors
        # Rankings run in threads.
        self._lock = Lock()
        self._questions: dict[bytes, Question] = {}

    def question(self, prompt: str) -> Question:
        """Returns a prompt's features, cached by its digest: the prompts themselves may be megabytes long."""
        key = digest(prompt)
        with self._lock:
            found = self._questions.pop(key, None)
        if found is None:
            found = question(prompt, self.priors.neighbours(prompt))
        with self._lock:
            while len(self._questions) >= _CACHED:
                del self._questions[next(iter(self._questions))]
            self._questions[key] = found
        return found

    def prior(self, candidate: Candidate, neighbours: Neighbours) -> Prior:
        """Returns the priors of a candidate, from the pool if its outcomes are unknown."""
        if self.priors.known(candidate.name):
            return self.priors.prior(candidate.name, neighbours)
        return self.priors.prior_of_stranger(candidate.prior, candidate.evaluated)

    def rows(self, prompt: str, partials: Sequence[PartialAnswer], pattern: AnswerPattern | None) -> list[list[float]]:
        """Returns the features of each partial answer, in the order of `features.NAMES`.

        Args:
            prompt: The conversation.
            partials: What the candidates wrote, at least one.
            pattern: Where the comparable answer is in a text; None if unknown.
        """
        asked = self.question(prompt)
        answers = [answer_in(each.text, pattern, asked) for each in partials]
        known = [self.prior(each.candidate, asked.neighbours) for each in partials]
        return features(asked, partials, answers, known, self.priors)


def answer_in(text: str, pattern: AnswerPattern | None, asked: Question) -> str | None:
    """Returns the comparable answer in a text; None if there is none.

    With `pattern`, its match is the answer, whatever the prompt. Without one, the answer is the option that the text
    supports, if the prompt offers options. The letter of an offered option is returned in the prompt's form.
    """
    if pattern is None:
        return tentative_answer(text, asked.options)
    found = extract(text, pattern)
    if found is None:
        return None
    answer = canonical(found)
    return answer.upper() if answer.upper() in asked.options else answer
