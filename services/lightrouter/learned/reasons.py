"""The strongest reasons of a predicted quality, in words: what moved it most, up or down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lightrouter.learned.features import NAMES
from lightrouter.learned.options import CUES
from lightrouter.learned.trees import Tree

_WORDS: Final[Mapping[str, str]] = {
    "its record on prompts like this one": "wide near expected wide_gap near_gap expected_gap expected_rank",
    "its record on all prompts": "overall evidence overall_gap",
    "the records of the others": "pool_size pool_expected pool_best",
    "the kind of prompt": "neighbour_similarity prompt_length prompt_digits options",
    "the length of its text": "given_length given_length_gap length relative_length lines",
    "whether its text is whole": "complete complete_share",
    "the wording of its text": "digits maths hedges prompt_overlap",
    "who gives the same answer": "has_answer support support_share opposition strongest_rival answer_leads "
    "answers_given",
    "how alike the texts are": "similarity similarity_best similarity_gap",
    "how the answer is derived": "derived derived_lead derived_by_others",
    "which option it chose": " ".join(("answer_place", *CUES)),
}
_GROUP_OF: Final = [next(words for words, names in _WORDS.items() if name in names.split()) for name in NAMES]
# A choice: more reasons are no longer read.
_MOST: Final = 3


class Reasons:
    """Tells the reasons of what trees predict. A feature's share is the change of the mean value where it is tested."""

    def __init__(self, trees: Sequence[Tree]) -> None:
        """Computes the mean value below each node of the trees."""
        self._trees = [(tree, _means(tree)) for tree in trees]

    def shares(self, row: Sequence[float]) -> dict[str, float]:
        """Returns how much each group of features moves the trees' sum for these features from its mean."""
        moved = [0.0] * len(NAMES)
        for (features, values, left, right), means in self._trees:
            node = 0
            while (feature := features[node]) >= 0:
                below = left[node] if row[feature] <= values[node] else right[node]
                moved[feature] += means[below] - means[node]
                node = below
        found = dict.fromkeys(_WORDS, 0.0)
        for group, share in zip(_GROUP_OF, moved, strict=True):
            found[group] += share
        return found

    def sentence(self, row: Sequence[float]) -> str:
        """Returns the three strongest reasons as a part of a sentence; empty if nothing moved the prediction."""
        strongest = sorted(self.shares(row).items(), key=lambda share: -abs(share[1]))[:_MOST]
        sides = (
            ("for it", [words for words, share in strongest if share > 0]),
            ("against it", [words for words, share in strongest if share < 0]),
        )
        return "; ".join(f"{side}: {', '.join(words)}" for side, words in sides if words)


def _means(tree: Tree) -> list[float]:
    """Returns the mean of the leaves below each node, each branch with equal weight."""
    means = list(tree.values)

    def fill(node: int) -> float:
        if tree.features[node] >= 0:
            means[node] = (fill(tree.left[node]) + fill(tree.right[node])) / 2
        return means[node]

    fill(0)
    return means
