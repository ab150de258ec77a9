"""Maps the enum to the strategies. Add a strategy as a module and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from lightrouter.aggregator.best import Best
from lightrouter.aggregator.strategy import Strategy
from lightrouter.aggregator.synthesize import SynthesisLimits, Synthesize
from lightrouter.aggregator.vote import Vote
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.policy_pb2 import AggregatorStrategy


def strategies(models: Models, limits: SynthesisLimits) -> Mapping[AggregatorStrategy.ValueType, Strategy]:
    """Returns all strategies by enum value."""
    return {
        AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE: Synthesize(models, limits),
        AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE: Vote(),
        AggregatorStrategy.AGGREGATOR_STRATEGY_BEST: Best(),
    }
