"""Finds contradictions between drafts: by the answers that a pattern finds, and by their most similar sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import NamedTuple

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.answers.pieces import MOST_CHARACTERS, Pieces, at_once, of_reading
from lightrouter.answers.tokens import Extent, contradict, read, subject
from lightrouter.v1.policy_pb2 import AnswerPattern

# Each begins with what must stand there, so that a search passes quickly over what does not.
_SENTENCE_END = re.compile(r"\s(?<=[.!?]\s)\s*|\n+")
_ANY_SENTENCE_END = re.compile(rf"{_SENTENCE_END.pattern}|(?<=[\u3002\uff01\uff1f])")
# Choices: more contradictions, or longer ones, than these would fill a prompt and help no synthesizer.
_MOST = 8
_MOST_TEXTS = 8
_MOST_SENTENCES = 32
_MOST_QUOTED = 160
# Two sentences have the same subject if they share this much of their non-deciding words. A choice.
_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Texts that say different things about the same subject.

    Attributes:
        sides: What is said, each with the indices of the texts that say so, the first text's side first.
        extracted: Whether the answers differ, rather than sentences.
    """

    sides: tuple[tuple[str, tuple[int, ...]], ...]
    extracted: bool

    def sentence(self, names: Sequence[str]) -> str:
        """Returns it as one sentence for people and models, with the names of the texts in their order."""
        verb = "answer" if self.extracted else "say"
        parts = [
            f"{_listed([names[index] for index in texts])} {verb if len(texts) > 1 else verb + 's'} “{_short(said)}”"
            for said, texts in self.sides
        ]
        return ", but ".join(parts) + "."


class _Sentence(NamedTuple):
    text: str
    extent: Extent
    subject: frozenset[str]


def contradictions(texts: Sequence[str], pattern: AnswerPattern | None = None) -> list[Contradiction]:
    """Returns contradictions of texts, at most 8, those of answers first. See `contradictions_in`."""
    return at_once(contradictions_in(texts, pattern))


def contradictions_in(texts: Sequence[str], pattern: AnswerPattern | None = None) -> Pieces[list[Contradiction]]:
    """Finds contradictions of texts, at most 8, those of answers first, piece by piece.

    Reads the first 8 texts, and of each the first 32 sentences within its first 4,000 characters.
    """
    answers = yield from _differing_answers(texts, pattern)
    found = [answers] if answers else []
    read_texts: list[list[_Sentence]] = []
    for text in texts[:_MOST_TEXTS]:
        yield of_reading(text)
        read_texts.append(_sentences(text[:MOST_CHARACTERS]))
    for (i, left), (j, right) in combinations(enumerate(read_texts), 2):
        for said, answered in _conflicts(left, right):
            if len(found) == _MOST:
                return found
            found.append(Contradiction(((said, (i,)), (answered, (j,))), extracted=False))
        yield sum(len(each.extent.words) for each in (*left, *right))
    return found


def _differing_answers(texts: Sequence[str], pattern: AnswerPattern | None) -> Pieces[Contradiction | None]:
    sides: dict[str, tuple[str, list[int]]] = {}
    for index, text in enumerate(texts):
        if pattern is not None:
            yield len(text)
        answer = extract(text, pattern)
        if answer is not None:
            sides.setdefault(canonical(answer), (answer, []))[1].append(index)
    if len(sides) < 2:
        return None
    return Contradiction(tuple((answer, tuple(indices)) for answer, indices in sides.values()), extracted=True)


def _sentences(text: str) -> list[_Sentence]:
    end = _SENTENCE_END if text.isascii() else _ANY_SENTENCE_END
    parts = (part.strip(" \t*#>-") for part in end.split(text))
    return [_read(part) for part in islice(filter(None, parts), _MOST_SENTENCES)]


def _read(sentence: str) -> _Sentence:
    extent = read(sentence).all()
    return _Sentence(sentence, extent, subject(extent))


def _conflicts(left: Sequence[_Sentence], right: Sequence[_Sentence]) -> Iterator[tuple[str, str]]:
    """Yields each sentence of `left` with the most similar one of `right`, if the two contradict each other."""
    about: dict[str, list[int]] = {}
    for place, sentence in enumerate(right):
        for word in sentence.subject:
            about.setdefault(word, []).append(place)
    for sentence in left:
        shared = Counter(chain.from_iterable(about.get(word, ()) for word in sentence.subject))
        likeness, place = max(
            ((_likeness(sentence, right[place], words), -place) for place, words in shared.items()), default=(0.0, 0)
        )
        if likeness >= _ALIKE and contradict(sentence.extent, right[-place].extent):
            yield sentence.text, right[-place].text


def _likeness(left: _Sentence, right: _Sentence, shared: int) -> float:
    """Returns how much of their subject two sentences share, 0 to 1; a wordy one loses half of what it adds."""
    sizes = len(left.subject), len(right.subject)
    return shared / sum(sizes) + shared / min(sizes) / 2


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_QUOTED else line[: _MOST_QUOTED - 1] + "…"
