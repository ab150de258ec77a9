"""Maps the enum to the strategies. Add a strategy as a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from lightrouter.answers.pieces import Workers
from lightrouter.runtime.rpc.models import Models
from lightrouter.selector.chance import Chance
from lightrouter.selector.consensus import Consensus
from lightrouter.selector.learned import CurrentModel, Learned, no_model
from lightrouter.selector.llm import Judge, JudgeLimits
from lightrouter.selector.prior import Prior
from lightrouter.selector.strategy import Strategy
from lightrouter.v1.policy_pb2 import SelectorStrategy


def strategies(
    models: Models,
    limits: JudgeLimits,
    prior_weight: float,
    model: CurrentModel = no_model,
    workers: Workers | None = None,
) -> Mapping[SelectorStrategy.ValueType, Strategy]:
    """Returns all strategies by enum value; without a model LEARNED ranks by consensus."""
    consensus = Consensus(prior_weight)
    return {
        SelectorStrategy.SELECTOR_STRATEGY_LLM: Judge(models, limits),
        SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS: consensus,
        SelectorStrategy.SELECTOR_STRATEGY_PRIOR: Prior(),
        SelectorStrategy.SELECTOR_STRATEGY_RANDOM: Chance(),
        SelectorStrategy.SELECTOR_STRATEGY_LEARNED: Learned(model, consensus, workers),
    }
