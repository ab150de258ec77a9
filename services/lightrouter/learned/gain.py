"""The gain of one more answer: how much better the answer that would be given gets if a candidate is asked next.

The gain is learned from recorded outcomes: it is the rise in quality of the answer that would be picked. No formula of
single qualities covers how candidates err together, and how often the right answer is then picked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from lightrouter.learned.features import Candidate, Question
from lightrouter.learned.featurizer import Featurizer
from lightrouter.learned.joint import Joint, Outcome, Posterior, posterior
from lightrouter.learned.priors import Prior
from lightrouter.learned.trees import Tree, total

NAMES: Final[tuple[str, ...]] = (
    "asked",
    "best",
    "second",
    "lead",
    "agreeing",
    "answers",
    "answered",
    "expected",
    "expected_gap",
    "overall",
    "near_gap",
    "right_given",
    "fixes",
    "fixes_overall",
    "held",
    "none_right",
    "confirms_rival",
    "prompt_length",
    "prompt_digits",
    "options",
    "neighbour_similarity",
    "draft_length",
    "open_best",
    "open_rank",
    "best_wrong_right",
    "open",
    "expected_length",
    "length_so_far",
    "shortest",
)
"""The features of a candidate that has not been asked, in their order."""
OVERALL: Final = NAMES.index("overall")
"""The place of the candidate's mean quality on all prompts among them."""
# Characters by which lengths are shrunk to the expected ones: a choice, some 20 tokens.
_SHRINK_LENGTH: Final = 80.0
# The smallest predicted length as a share of the expected one.
_LEAST_LENGTH: Final = 0.1
# The smallest chance of a candidate to be wrong, so that odds are finite.
_LEAST_WRONG: Final = 0.01


class Answered(NamedTuple):
    """A whole answer.

    Attributes:
        candidate: Its author.
        quality: Its expected quality given all answers so far, 0 to 1.
        answer: The comparable answer in it; None if there is none.
        length: Its characters.
    """

    candidate: Candidate
    quality: float
    answer: str | None
    length: int


class Gains(NamedTuple):
    """The trees that predict gains.

    Attributes:
        first: The trees for the first answer, whose gain is its quality.
        later: The trees for each answer after it.
        length: The trees for the length of an answer, as a share of the one expected by neighbours. The prompts on
            which one more is asked are not like their neighbours: without these, money is planned up to 7 % too low.
        first_share: The weight of the trees for the first answer against the candidate's mean quality on all prompts, 0
            to 1. If there is little to learn from, trees choose the first candidate no better than its mean does.
        further_cost: The trees for the cost of the answers after the first one, see `followups`; none in old artifacts.
        further_gain: The trees for what these answers add.
    """

    first: Sequence[Tree]
    later: Sequence[Tree]
    length: Sequence[Tree] = ()
    first_share: float = 1.0
    further_cost: Sequence[Tree] = ()
    further_gain: Sequence[Tree] = ()

    def gain(self, row: Sequence[float]) -> float:
        """Returns the expected rise in quality for these features, -1 to 1."""
        if row[0]:
            gain = total(self.later, row)
        else:
            overall = row[OVERALL]
            gain = overall + self.first_share * (total(self.first, row) - overall)
        return min(max(gain, -1.0), 1.0)

    def length_share(self, row: Sequence[float]) -> float:
        """Returns the expected length of the answer as a share of the one expected by neighbours."""
        return max(total(self.length, row), _LEAST_LENGTH) if self.length else 1.0


class Known(NamedTuple):
    """What is known of a prompt and of the pool before anyone answers.

    Attributes:
        asked: The prompt.
        featurizer: Has the known outcomes.
        joint: The same outcomes, jointly.
        near: The share of each joint outcome in prompts like this one.
    """

    asked: Question
    featurizer: Featurizer
    joint: Joint
    near: Mapping[Outcome, float]

    @classmethod
    def of(cls, asked: Question, featurizer: Featurizer, joint: Joint) -> Known:
        """Returns what is known of a prompt."""
        return cls(asked, featurizer, joint, joint.near(asked.neighbours))


def rows(known: Known, answered: Sequence[Answered], unasked: Sequence[Candidate]) -> list[list[float]]:
    """Returns the features of each candidate that has not been asked, in the order of `NAMES`.

    Args:
        known: What is known of the prompt.
        answered: The answers so far; may be empty.
        unasked: The candidates that have not been asked, at least one.
    """
    priors, asked = known.featurizer.priors, known.asked
    expected = [known.featurizer.prior(each, asked.neighbours) for each in unasked]
    before = [known.featurizer.prior(each.candidate, asked.neighbours) for each in answered]
    groups = _groups(answered)
    pick = max(range(len(answered)), key=lambda place: answered[place].quality, default=None)
    at = _group_of(pick, groups)
    own = () if at is None else groups[at]
    rivals = [place for place in range(len(answered)) if place not in own]
    rival = max(rivals, key=lambda place: answered[place].quality, default=None)
    other = _group_of(rival, groups)
    best = 0.0 if pick is None else answered[pick].quality
    second = 0.0 if rival is None else answered[rival].quality
    near, overall = (
        _posterior(known, shares, answered, before, groups, unasked, expected)
        for shares in (known.near, known.joint.overall)
    )
    open_best = max(each.expected for each in expected)
    lengths = [priors.expected_length(each.name, asked.neighbours) or 0.0 for each in unasked]
    so_far = _length_so_far(known, answered)
    shortest = math.log1p(min((each.length for each in answered), default=0))
    found: list[list[float]] = []
    for index, prior in enumerate(expected):
        right = near.right(index)
        fixes, fixes_overall = (
            each.right(index) - (0.0 if at is None else each.others[index][at]) for each in (near, overall)
        )
        found.append(
            [
                float(len(answered)),
                best,
                second,
                best - second,
                float(len(own)),
                float(len(groups)),
                float(pick is not None and answered[pick].answer is not None),
                prior.expected,
                prior.expected - (0.0 if pick is None else before[pick].expected),
                prior.overall,
                prior.near - prior.wide,
                right,
                fixes,
                fixes_overall,
                0.0 if at is None else near.groups[at],
                near.none,
                0.0 if other is None else near.others[index][other],
                asked.length,
                asked.digits,
                float(len(asked.options)),
                asked.neighbours.nearest,
                0.0 if pick is None else math.log1p(answered[pick].length),
                open_best,
                float(sum(each.expected > prior.expected for each in expected)),
                (1 - best) * right,
                float(len(unasked)),
                math.log1p(lengths[index]),
                so_far,
                shortest,
            ]
        )
    return found


def _length_so_far(known: Known, answered: Sequence[Answered]) -> float:
    """Returns the log of the answers' length over the expected one; 0 if all is as expected."""
    told = [
        (each.length, known.featurizer.priors.expected_length(each.candidate.name, known.asked.neighbours))
        for each in answered
    ]
    expected = [(length, likely) for length, likely in told if likely is not None]
    written = sum(length for length, _ in expected) + _SHRINK_LENGTH
    return math.log(written / (sum(likely for _, likely in expected) + _SHRINK_LENGTH))


def _groups(answered: Sequence[Answered]) -> list[list[int]]:
    """Returns the positions of equal answers; a text without a comparable answer is alone."""
    found: dict[str | int, list[int]] = {}
    for place, each in enumerate(answered):
        found.setdefault(place if each.answer is None else each.answer, []).append(place)
    return list(found.values())


def _group_of(place: int | None, groups: Sequence[Sequence[int]]) -> int | None:
    return next((index for index, group in enumerate(groups) if place in group), None)


def _posterior(
    known: Known,
    shares: Mapping[Outcome, float],
    answered: Sequence[Answered],
    before: Sequence[Prior],
    groups: Sequence[Sequence[int]],
    unasked: Sequence[Candidate],
    expected: Sequence[Prior],
) -> Posterior:
    """Returns what is right, given who agrees; candidates without outcomes err independently of all others."""
    places = [known.featurizer.priors.column(each.name) for each in unasked]
    asked = [known.featurizer.priors.column(each.candidate.name) for each in answered]
    others = [place for place in places if place is not None]
    if None in asked:
        given = _independent(before, groups)
        others = []
    else:
        bits = [sum(1 << (asked[place] or 0) for place in group) for group in groups]
        given = posterior(shares, bits, others)
    joint = iter(given.others)
    held = [*given.groups, given.none]
    return given._replace(
        others=[
            next(joint) if place is not None and others else [share * prior.expected for share in held]
            for place, prior in zip(places, expected, strict=True)
        ]
    )


def _independent(before: Sequence[Prior], groups: Sequence[Sequence[int]]) -> Posterior:
    """Returns the chance of each group to be right if candidates err independently."""
    single = [prior.expected / max(1 - prior.expected, _LEAST_WRONG) for prior in before]
    odds = [math.prod(single[place] for place in group) for group in groups]
    scale = 1 / (1 + sum(odds))
    return Posterior([each * scale for each in odds], scale, [])
