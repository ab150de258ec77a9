"""The router's metrics."""

from __future__ import annotations

from typing import Final

from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import Instrument

_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_LONG: Final = (1.0, 2.0, 3.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0)
_SECONDS: Final = _SHORT + _LONG
"""From an instant stage to the longest answer."""
_LINE: Final = (names.CANDIDATE, names.STAGE)
"""What every metric of the ledgers' lines is split by."""

REQUESTS: Final = Instrument(
    "lightrouter.route.requests",
    "{request}",
    "Routes that ended, by outcome (ok, degraded, failed, refused, cancelled) and, where there is no answer, by the "
    "error's reason. Refused are those that the caller has to change; requests that break a rule of the protos or find "
    "no free place never become a route and are in lightrouter.rpc.errors.",
    (names.OUTCOME, names.ERROR_TYPE),
)
ROUTE_DURATION: Final = Instrument(
    "lightrouter.route.duration", "s", "From admission to the answer or its failure.", (names.OUTCOME,), _SECONDS
)
TIME_TO_FIRST_TEXT: Final = Instrument(
    "lightrouter.route.time_to_first_text",
    "s",
    "From admission to the first text of the answer, of requests that watch it being written.",
    (),
    _SECONDS,
)
ROUTES_IN_FLIGHT: Final = Instrument("lightrouter.route.in_flight", "{request}", "Routes under way.")
STAGE_DURATION: Final = Instrument(
    "lightrouter.stage.duration", "s", "What a stage took, of those that took place.", (names.STAGE,), _SECONDS
)
CALLS: Final = Instrument(
    "lightrouter.calls",
    "{call}",
    "Lines of the ledgers: model calls, whether they delivered or not.",
    _LINE,
)
CALL_FAILURES: Final = Instrument(
    "lightrouter.call.failures",
    "{call}",
    "Lines of the ledgers that failed, by reason, those among them that an open circuit refused or that were given up.",
    (*_LINE, names.ERROR_TYPE),
)
TOKENS: Final = Instrument(
    "lightrouter.tokens",
    "{token}",
    "Tokens of the ledgers. The four types add up to all tokens: cached are those of the input that came from the "
    "provider's cache, input the others; reasoning are those of the output that were hidden, output the others.",
    (*_LINE, names.TOKEN_TYPE),
)
COST: Final = Instrument(
    "lightrouter.cost_nanousd",
    "{nanousd}",
    "Money of the ledgers, in nano-dollars.",
    _LINE,
)
FULL_COST: Final = Instrument(
    "lightrouter.full_cost_nanousd",
    "{nanousd}",
    "An estimate of what the same routes would have cost, had every candidate that booted run to its end: what they "
    "did cost, without the ranking and without the input that is read twice by going on, and for each candidate that "
    "was not asked to go on the mean output of those that were, at its own price. 1 less the quotient of "
    "lightrouter.cost_nanousd and this is the share that was saved.",
)
DEGRADED: Final = Instrument(
    "lightrouter.degraded",
    "{degradation}",
    "Ways in which answers were less than they should have been; an answer may have several.",
    (names.REASON,),
)
BOOTED: Final = Instrument(
    "lightrouter.candidate.booted",
    "{request}",
    "Routes in which a candidate delivered boot tokens.",
    (names.CANDIDATE,),
)
CHOSEN: Final = Instrument(
    "lightrouter.candidate.chosen",
    "{request}",
    "Routes in which a candidate was chosen after the ranking; over lightrouter.candidate.booted its selection share.",
    (names.CANDIDATE,),
)
SELECTIONS: Final = Instrument(
    "lightrouter.selections",
    "{request}",
    "Rankings, by the strategy that ranked in the end and the reason for as many candidates as were chosen; all "
    "reasons but policy, cost_ceiling and only_one are early exits.",
    (names.STRATEGY, names.SELECTION_REASON),
)
AGGREGATIONS: Final = Instrument(
    "lightrouter.aggregations", "{request}", "Answers, by how they were made of the drafts.", (names.STRATEGY,)
)
CANDIDATE_STATE: Final = Instrument(
    "lightrouter.candidate.state",
    "{candidate}",
    "1 for the state that a candidate of the pool is in (admitted, probation, evicted).",
    (names.CANDIDATE, names.STATE),
)
CANDIDATE_SERVING: Final = Instrument(
    "lightrouter.candidate.serving",
    "{candidate}",
    "1 where a candidate's adapter can be called now, else 0; nothing while that is not known.",
    (names.CANDIDATE,),
)
POOL_WATCHED: Final = Instrument(
    "lightrouter.pool.watched",
    "{pool}",
    "1 while the router sees the changes of its pool; 0 while it cannot, and the last good pool stays in force.",
)
