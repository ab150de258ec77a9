"""Routes that differ only in how they rank."""

from __future__ import annotations

from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.engine import selector_with
from lightrouter.lab.policies.helpers import NO_HELPERS, Helpers
from lightrouter.lab.policies.routed import Routed
from lightrouter.lab.policies.selectors import NearestPrompts, with_strategy
from lightrouter.recording.prices import PriceList
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    HOLD_NEVER,
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LEARNED,
    SELECTOR_STRATEGY_LLM,
    SELECTOR_STRATEGY_PRIOR,
    SELECTOR_STRATEGY_RANDOM,
    AnswerPattern,
    Policy,
    SelectorStrategy,
)

STRATEGIES: Final = {
    "learned": SELECTOR_STRATEGY_LEARNED,
    "consensus": SELECTOR_STRATEGY_CONSENSUS,
    "prior": SELECTOR_STRATEGY_PRIOR,
    "knn": SELECTOR_STRATEGY_PRIOR,
    "random": SELECTOR_STRATEGY_RANDOM,
    "llm": SELECTOR_STRATEGY_LLM,
}
_ABOUT: Final = {
    "learned": "a model trained on the training prompts",
    "consensus": "agreement among the partials",
    "prior": "mean quality on the training prompts",
    "knn": "mean quality on the training prompts with the most similar words",
    "random": "chance",
    "llm": "a judge model that reads the partials in two orders",
}


def ranker(
    kind: str,
    boot_tokens: int,
    train: LabelledData,
    prices: PriceList,
    model: CurrentModel = no_model,
    *,
    helpers: Helpers = NO_HELPERS,
    suffix: str = "",
) -> Routed:
    """Returns the route in which all candidates boot and the best-ranked one alone goes on.

    `kind` is the way of ranking, a key of `STRATEGIES`, and `suffix` follows it in the policy's name. `model` is for
    `learned`, `helpers` for `llm`.
    """
    about = f"Every candidate boots; only the best by {_ABOUT[kind]} continues."
    policy = one_goes_on(STRATEGIES[kind], boot_tokens, train.questions.pattern)
    prepare = model if kind == "learned" else no_model
    selector = selector_with(model)
    if kind == "knn":
        nearest = NearestPrompts(train)
        selector = with_strategy(SELECTOR_STRATEGY_PRIOR, lambda _: nearest)
    return Routed(f"{kind}{suffix}", about, policy, prices, selector, helpers, prepare)


def one_goes_on(strategy: SelectorStrategy.ValueType, boot_tokens: int, pattern: AnswerPattern | None) -> Policy:
    """Returns the policy in which all candidates boot and the best-ranked one alone goes on."""
    return Policy(
        boot_tokens=boot_tokens,
        k=1,
        selector=strategy,
        aggregator=AGGREGATOR_STRATEGY_BEST,
        quorum=1,
        answer_pattern=pattern,
        hold=HOLD_NEVER,
    )
