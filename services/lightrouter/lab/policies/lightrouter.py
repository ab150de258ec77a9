"""LightRouter's policies in a comparison."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.boots import boot_tokens
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.engine import selector_with
from lightrouter.lab.policies.paper import Paper
from lightrouter.lab.policies.routed import Routed
from lightrouter.recording.prices import PriceList
from lightrouter.selector.learned import CurrentModel
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    HOLD_ALWAYS,
    SELECTOR_STRATEGY_LEARNED,
)
from lightrouter.v1.policy_pb2 import Policy as RoutingPolicy

PREFIX: Final = "lightrouter"
"""The prefix of the names of all these policies."""
WORTHS: Final = (0.001, 0.002, 0.004, 0.01, 0.02, 0.06, 0.5)
"""The worths of a curve, in US dollars for a right answer: from a small model alone to a pool of large ones."""
TRACED: Final = (0.0, 0.0002, 0.0005, *WORTHS)
"""The worths of a comparison: below the least worth of a curve, one answer is bought, and worth still decides whose."""
_CURVE: Final = f"{PREFIX}@"
DEFAULT: Final = "lightrouter"
QUALITY: Final = "lightrouter-quality"
NOTES: Final = (
    "boot_tokens is B, what each candidate may write before the ranking; boot_output_tokens what all wrote.",
    "If a prompt has lettered options, the learned selector also compares the chosen option with the others.",
)


def routing(name: str, train: LabelledData, boot: int | None, top_k: int | None) -> RoutingPolicy:
    """Returns the routing policy of a setting, `DEFAULT` or `QUALITY`.

    Without `boot`, B is as `boot_tokens` returns it; without `top_k`, the most drafts are those of the setting.
    """
    pattern = train.questions.pattern
    shortlist, k, min_gain = (_DEFAULT if name == DEFAULT else _QUALITY)[pattern is not None]
    return RoutingPolicy(
        boot_tokens=boot or boot_tokens(train, drafts_in_turn=min_gain > 0),
        k=top_k or k,
        shortlist=shortlist,
        min_gain=min_gain,
        selector=SELECTOR_STRATEGY_LEARNED,
        aggregator=AGGREGATOR_STRATEGY_BEST,
        margin=1,
        agreement=1,
        quorum=1,
        answer_pattern=pattern,
    )


# Shortlist, most drafts and least gain per 1,000 tokens, without and with comparable answers.
# Found by cross-validation on the shared recordings. With comparable answers, these gains spend a fifth or a third of
# the full ensemble's tokens. Without, the selector cannot tell a second draft from the first well enough to pay for it.
# Each new draft is ranked with the others and the best one is the answer: a vote of two or three drafts gains nothing.
_DEFAULT: Final = {False: (3, 1, 0.0), True: (3, 3, 0.65)}
_QUALITY: Final = {False: (3, 1, 0.0), True: (3, 3, 0.25)}


def policies(
    prices: PriceList, train: LabelledData, model: CurrentModel, *, boot: int | None = None, top_k: int | None = None
) -> list[Policy]:
    """Returns LightRouter's policies.

    `model` returns the model that ranks; for `boot` and `top_k` see `routing`.
    """
    routings = {name: routing(name, train, boot, top_k) for name in (DEFAULT, QUALITY)}
    about = dict(_ABOUT)
    for worth in TRACED:
        name = f"{_CURVE}{worth:g}"
        routings[name] = RoutingPolicy(
            worth_nanousd=round(worth * _NANOUSD),
            selector=SELECTOR_STRATEGY_LEARNED,
            answer_pattern=train.questions.pattern,
            hold=HOLD_ALWAYS,
        )
        about[name] = f"{_ABOUT_CURVE} A right answer is worth ${worth:g}."
    own = [
        Routed(name, about[name], each, prices, selector_with(model), prepare=model) for name, each in routings.items()
    ]
    return [Paper(boot or boot_tokens(train), top_k, train.questions.pattern, prices), *own]


def is_of_curve(name: str) -> bool:
    """Returns whether the policy of this name is a point of the curve over worth."""
    return name.startswith(_CURVE)


_NANOUSD: Final = 1e9
_ABOUT_CURVE: Final = (
    "One candidate answers, then one more, up to four, while the quality that it is expected to add, times the worth "
    "of a right answer, exceeds its expected cost. If the selector knows what boots give, two or three may begin on "
    "held calls, of which the best one goes on."
)
_ABOUT: Final = {
    DEFAULT: "The candidates with promising priors boot, a learned selector ranks them, and one more draft is "
    "requested if it is expected to be worth its tokens. The default setting.",
    QUALITY: "Like lightrouter, but with more drafts if answers can be compared.",
}
