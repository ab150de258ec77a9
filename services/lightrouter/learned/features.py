"""Features of a candidate's partial answer, without names, so that they apply to unseen candidates."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from string import ascii_uppercase
from typing import NamedTuple

from lightrouter.answers.choices import answer_letter
from lightrouter.answers.scripts import words as words_in
from lightrouter.learned.excerpt import excerpt
from lightrouter.learned.options import CUES, Option, options, tokens
from lightrouter.learned.priors import Neighbours, Prior, Priors

_HEDGE = re.compile(
    r"\b(?:approximately|assum\w+|but|cannot|closest|however|likely|maybe|might|not|perhaps|probably|seems?|unclear|"
    r"unless|wait)\b",
    re.IGNORECASE,
)
_MATHS = re.compile(r"[\\=^$+*/<>{}]")
# A small letter at the end may be the start of a cut word as often as an option.
_CUT = re.compile(r"(?<!\w)[a-z]$")
# Choices: the characters of a prompt or text that tell its kind, those of its conclusion, and the words of a conclusion
# that can be compared. A text without a derivation gets a value outside the range of shares.
_HEAD = 2_000
_CONCLUSION = 400
_NOT_DERIVED = -2.0
_FEWEST_WORDS = 5
# A candidate that has chosen no option has none to describe.
_NO_CUES = (-1.0,) * len(CUES)

NAMES: tuple[str, ...] = (
    "overall",
    "wide",
    "near",
    "expected",
    "evidence",
    "overall_gap",
    "wide_gap",
    "near_gap",
    "expected_gap",
    "expected_rank",
    "given_length",
    "given_length_gap",
    "pool_size",
    "pool_expected",
    "pool_best",
    "neighbour_similarity",
    "prompt_length",
    "prompt_digits",
    "options",
    "length",
    "relative_length",
    "complete",
    "complete_share",
    "lines",
    "digits",
    "maths",
    "hedges",
    "prompt_overlap",
    "has_answer",
    "support",
    "support_share",
    "opposition",
    "strongest_rival",
    "answer_leads",
    "answers_given",
    "similarity",
    "similarity_best",
    "similarity_gap",
    "answer_place",
    "derived",
    "derived_lead",
    "derived_by_others",
    *CUES,
)
"""The features in their order."""


class Candidate(NamedTuple):
    """A candidate as the pool describes it.

    Attributes:
        name: Its model's name, by which its outcomes are found, or its own.
        prior: Its expected quality, 0 to 1.
        evaluated: Number of evaluated prompts behind `prior`.
    """

    name: str
    prior: float
    evaluated: int


class PartialAnswer(NamedTuple):
    """A candidate's text so far.

    Attributes:
        candidate: The candidate.
        text: Its text; may be empty.
        complete: Whether the text is its whole answer.
        action: Which action it wants, the same for all that want the same; None for an answer in words.
    """

    candidate: Candidate
    text: str
    complete: bool
    action: int | None = None


class Surface(NamedTuple):
    """Features of a text by itself."""

    length: int
    lines: float
    digits: float
    maths: float
    hedges: float
    words: frozenset[str]
    conclusion: frozenset[str]


class Reading(NamedTuple):
    """A text as it is read after a prompt.

    Attributes:
        surface: Its features.
        answer: The comparable answer in it; None if there is none yet.
    """

    surface: Surface
    answer: str | None


class Question(NamedTuple):
    """Features of a prompt, and its known neighbours."""

    length: float
    digits: float
    options: Mapping[str, Option]
    words: frozenset[str]
    neighbours: Neighbours


def question(prompt: str, neighbours: Neighbours) -> Question:
    """Returns the features of a prompt."""
    told = excerpt(prompt)
    digits = sum(map(told.count, "0123456789")) / (len(told) + 1)
    words = frozenset(words_in(told[-_HEAD:].lower()))
    return Question(math.log1p(len(prompt)), digits, options(told), words, neighbours)


def tentative_answer(text: str, offered: Collection[str]) -> str | None:
    """Returns the letter of the option that a text supports so far; None if it supports none.

    Args:
        text: The text so far.
        offered: The letters of the options that the prompt offers.
    """
    latin = [letter for letter in offered if letter in ascii_uppercase]
    if not latin:
        return None
    found = answer_letter(_CUT.sub("", text), ascii_uppercase.index(max(latin)) + 1)
    return found if found in offered else None


def surface(text: str) -> Surface:
    """Returns the features of a text."""
    length = len(text)
    if not length:
        return Surface(0, 0.0, 0.0, 0.0, 0.0, frozenset(), frozenset())
    head = text[:_HEAD]
    words = words_in(head.lower())
    return Surface(
        length=length,
        lines=head.count("\n") / (len(words) + 1),
        digits=sum(map(head.count, "0123456789")) / len(head),
        maths=len(_MATHS.findall(head)) / len(head),
        hedges=len(_HEDGE.findall(head)) / (len(words) + 1),
        words=frozenset(words),
        conclusion=_conclusion(text),
    )


def _conclusion(text: str) -> frozenset[str]:
    """Returns the words before the stated answer."""
    stated = text.lower().rfind("answer")
    body = text[:stated] if stated >= 0 else text
    return frozenset(tokens(body[-_CONCLUSION:]))


def log_odds(quality: float) -> float:
    """Returns the log-odds of a quality, clipped to 2 % and 98 %."""
    held = min(max(quality, 0.02), 0.98)
    return math.log(held / (1 - held))


def features(
    asked: Question,
    partials: Sequence[PartialAnswer],
    readings: Sequence[Reading],
    known: Sequence[Prior],
    priors: Priors,
) -> list[list[float]]:
    """Returns the features of each partial answer, in the order of `NAMES`.

    Args:
        asked: The prompt.
        partials: What the candidates wrote, or were about to write.
        readings: Their texts as they are read.
        known: The prior knowledge of each of them for this prompt.
        priors: The known outcomes.
    """
    surfaces = [reading.surface for reading in readings]
    answers = [reading.answer for reading in readings]
    expected = [prior.expected for prior in known]
    weights = [max(0.1, log_odds(quality) + 1.5) for quality in expected]
    derived = [_derived(asked.options, seen.conclusion) for seen in surfaces]
    top = max(expected)
    of_all = [
        float(len(partials)),
        sum(expected) / len(partials),
        top,
        asked.neighbours.nearest,
        asked.length,
        asked.digits,
        float(len(asked.options)),
    ]
    parts = zip(
        _qualities(known),
        _given_lengths(partials, surfaces, known, priors),
        _texts(asked, partials, surfaces),
        _supports(answers, weights),
        _likenesses(surfaces, weights, expected.index(top)),
        answers,
        strict=True,
    )
    return [
        [
            *quality,
            *given,
            *of_all,
            *text,
            *support,
            *likeness,
            *_derivation(index, answer, asked.options, derived, weights),
            *_cues(answer, asked.options),
        ]
        for index, (quality, given, text, support, likeness, answer) in enumerate(parts)
    ]


def _qualities(known: Sequence[Prior]) -> list[list[float]]:
    """Returns each candidate's expected qualities, and how far it is behind the best: "overall" to "expected_rank"."""
    rows = [(prior.overall, prior.wide, prior.near, prior.expected) for prior in known]
    tops = [max(column) for column in zip(*rows, strict=True)]
    ranking = sorted((prior.expected for prior in known), reverse=True)
    return [
        [
            *row,
            math.log1p(prior.evidence),
            *(quality - top for quality, top in zip(row, tops, strict=True)),
            float(ranking.index(prior.expected)),
        ]
        for prior, row in zip(known, rows, strict=True)
    ]


def _given_lengths(
    partials: Sequence[PartialAnswer], surfaces: Sequence[Surface], known: Sequence[Prior], priors: Priors
) -> list[tuple[float, float]]:
    """Returns each candidate's expected quality given its text's length, and how far that is behind the best."""
    given = [
        priors.given_length(each.candidate.name, prior.overall, seen.length, complete=each.complete)
        for each, prior, seen in zip(partials, known, surfaces, strict=True)
    ]
    top = max(given)
    return [(quality, quality - top) for quality in given]


def _texts(asked: Question, partials: Sequence[PartialAnswer], surfaces: Sequence[Surface]) -> list[list[float]]:
    """Returns the features of each text by itself and beside the others: "length" to "prompt_overlap"."""
    mean_length = sum(seen.length for seen in surfaces) / len(surfaces)
    finished = sum(each.complete for each in partials) / len(partials)
    return [
        [
            math.log1p(seen.length),
            seen.length / (mean_length + 1),
            float(each.complete),
            finished,
            seen.lines,
            seen.digits,
            seen.maths,
            seen.hedges,
            len(seen.words & asked.words) / (len(seen.words) + 1),
        ]
        for each, seen in zip(partials, surfaces, strict=True)
    ]


def _supports(answers: Sequence[str | None], weights: Sequence[float]) -> list[list[float]]:
    """Returns how the others' answers support each candidate's: "has_answer" to "answers_given"."""
    votes = _votes(answers, weights)
    cast = sum(votes.values())
    rows: list[list[float]] = []
    for answer, weight in zip(answers, weights, strict=True):
        own = weight if answer is not None else 0.0
        total = votes.get(answer, 0.0) if answer is not None else 0.0
        rival = max((weight for other, weight in votes.items() if other != answer), default=0.0)
        share = total / cast if cast else 0.0
        rows.append([float(answer is not None), total - own, share, cast - total, rival, total - rival, cast])
    return rows


def _likenesses(surfaces: Sequence[Surface], weights: Sequence[float], best: int) -> list[tuple[float, float, float]]:
    """Returns how similar each text is to the others, to that of the best candidate, and the difference."""
    rows: list[tuple[float, float, float]] = []
    for index, row in enumerate(_similarities(surfaces)):
        others = sum(weight for other, weight in enumerate(weights) if other != index)
        alike = sum(
            weight * value for other, (weight, value) in enumerate(zip(weights, row, strict=True)) if other != index
        )
        alike = alike / others if others else 0.0
        rows.append((alike, row[best], alike - row[best]))
    return rows


def _derived(offered: Mapping[str, Option], conclusion: frozenset[str]) -> dict[str, float]:
    """Returns the share of each option's words in a conclusion, 0 to 1; empty if there is no conclusion."""
    if len(conclusion) < _FEWEST_WORDS:
        return {}
    return {
        letter: sum(weight for word, weight in option.words.items() if word in conclusion)
        for letter, option in offered.items()
    }


def _derivation(
    index: int,
    answer: str | None,
    offered: Mapping[str, Option],
    derived: Sequence[Mapping[str, float]],
    weights: Sequence[float],
) -> tuple[float, float, float, float]:
    """Returns the position of the chosen option, and its support: by its own text, beyond others, by others."""
    if answer is None or answer not in offered:
        return -1.0, _NOT_DERIVED, _NOT_DERIVED, _NOT_DERIVED
    own = derived[index]
    share = lead = _NOT_DERIVED
    if answer in own:
        share = own[answer]
        lead = share - max((value for letter, value in own.items() if letter != answer), default=0.0)
    total = support = 0.0
    for other, (weight, theirs) in enumerate(zip(weights, derived, strict=True)):
        if other != index and answer in theirs:
            total += weight
            support += weight * (theirs[answer] - max(value for letter, value in theirs.items() if letter != answer))
    return float(list(offered).index(answer)), share, lead, support / total if total else _NOT_DERIVED


def _cues(answer: str | None, offered: Mapping[str, Option]) -> Sequence[float]:
    """Returns the chosen option's features among the others."""
    option = offered.get(answer) if answer is not None else None
    return _NO_CUES if option is None else option.cues


def _votes(answers: Sequence[str | None], weights: Sequence[float]) -> dict[str, float]:
    votes: dict[str, float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            votes[answer] = votes.get(answer, 0.0) + weight
    return votes


def _similarities(surfaces: Sequence[Surface]) -> list[list[float]]:
    """Returns the share of words that each two texts have in common, of the one with fewer words, 0 to 1."""
    matrix = [[1.0] * len(surfaces) for _ in surfaces]
    for left, one in enumerate(surfaces):
        for right in range(left):
            fewer = min(len(one.words), len(surfaces[right].words))
            value = len(one.words & surfaces[right].words) / fewer if fewer else 0.0
            matrix[left][right] = matrix[right][left] = value
    return matrix
