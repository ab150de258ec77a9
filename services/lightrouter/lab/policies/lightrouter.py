"""LightRouter's own policies, as a comparison makes them."""

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
    SELECTOR_STRATEGY_LEARNED,
)
from lightrouter.v1.policy_pb2 import Policy as RoutingPolicy

PREFIX: Final = "lightrouter"
"""What the names of all of them begin with."""
DEFAULT: Final = "lightrouter"
QUALITY: Final = "lightrouter-quality"
NOTES: Final = (
    "boot_tokens is B, what each candidate may write before the ranking; boot_output_tokens what all wrote.",
    "Where a prompt has lettered options, the learned selector also sees what the chosen one looks like among them.",
)


def routing(name: str, train: LabelledData, boot: int | None, top_k: int | None) -> RoutingPolicy:
    """Returns how requests are routed in the setting of that name, `DEFAULT` or `QUALITY`.

    Args:
        name: The setting.
        train: Prompts like those that are routed.
        boot: B; None: what `boot_tokens` says.
        top_k: Most drafts that are finished; None: the setting's own.
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


# Shortlist, most drafts and least gain for 1,000 tokens, without and with comparable answers.
# Found by cross-validation on the shared recordings: with comparable answers the price at which a fifth, or a third, of
# the full ensemble's tokens are written; without, a second draft cannot be told from the first well enough to pay. Each
# draft is ranked anew beside the others, so the best one is the answer: a vote of so few gives no more.
_DEFAULT: Final = {False: (3, 1, 0.0), True: (3, 3, 0.65)}
_QUALITY: Final = {False: (3, 1, 0.0), True: (3, 3, 0.25)}


def policies(
    prices: PriceList, train: LabelledData, model: CurrentModel, *, boot: int | None = None, top_k: int | None = None
) -> list[Policy]:
    """Returns them.

    Args:
        prices: What the candidates cost.
        train: What is learned from.
        model: Returns the model that ranks.
        boot: B; None: what `boot_tokens` says.
        top_k: Most drafts that are finished; None: each policy's own.
    """
    own = [
        Routed(name, _ABOUT[name], routing(name, train, boot, top_k), prices, selector_with(model), prepare=model)
        for name in (DEFAULT, QUALITY)
    ]
    return [Paper(boot or boot_tokens(train), top_k, train.questions.pattern, prices), *own]


_ABOUT: Final = {
    DEFAULT: "The candidates that priors find worth it boot, a learned selector ranks them, and one more draft is "
    "asked for where it is expected to be worth its tokens. The default setting.",
    QUALITY: "As lightrouter, with more drafts where answers can be compared; else the same.",
}
