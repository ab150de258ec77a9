"""Makes the features of candidates' partial answers, in the same way for training and for serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Final, Generic, TypeVar

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.learned.excerpt import DIGEST_BYTES, digest
from lightrouter.learned.features import (
    Candidate,
    PartialAnswer,
    Question,
    Reading,
    features,
    question,
    surface,
    tentative_answer,
)
from lightrouter.learned.priors import Neighbours, Prior, Priors
from lightrouter.v1.policy_pb2 import AnswerPattern

# Conversations, texts and rows that are cached: the shortlist and each ranking of a route need the same.
_CACHED: Final = 256

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """The values of the keys that were asked for last, in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[bytes, _Value] = {}

    def get(self, key: bytes, make: Callable[[], _Value]) -> _Value:
        """Returns the value of a key, made if it is not there."""
        with self._lock:
            value = self._values.pop(key, None)
        if value is None:
            value = make()
        with self._lock:
            while len(self._values) >= _CACHED:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        return value


class Featurizer:
    """Makes features from the known outcomes.

    Attributes:
        priors: The known outcomes.
    """

    def __init__(self, priors: Priors) -> None:
        self.priors = priors
        self._questions = Recent[Question]()
        self._readings = Recent[Reading]()

    def question(self, prompt: str) -> Question:
        """Returns a prompt's features, cached by its digest: the prompts themselves may be megabytes long."""
        return self._questions.get(digest(prompt), lambda: question(prompt, self.priors.neighbours(prompt)))

    def readings(self, prompt: str, partials: Sequence[PartialAnswer], pattern: AnswerPattern | None) -> list[Reading]:
        """Returns each text as it is read after a prompt, cached by its digest as well; an action is its own answer.

        Args:
            prompt: The conversation.
            partials: What the candidates wrote.
            pattern: Where the comparable answer is in a text; None if unknown.
        """
        asked = self.question(prompt)
        before = digest(prompt) + (b"" if pattern is None else pattern.SerializeToString(deterministic=True))

        def read(text: str) -> Reading:
            key = blake2b(before + text.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()
            return self._readings.get(key, lambda: Reading(surface(text), answer_in(text, pattern, asked)))

        return [
            read(each.text) if each.action is None else read(each.text)._replace(answer=f"action {each.action}")
            for each in partials
        ]

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
        readings = self.readings(prompt, partials, pattern)
        known = [self.prior(each.candidate, asked.neighbours) for each in partials]
        return features(asked, partials, readings, known, self.priors)


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
