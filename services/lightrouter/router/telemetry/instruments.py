"""The router's metrics."""

from __future__ import annotations

from typing import Final

from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import Instrument

# Choices: bucket bounds from the shortest stage to the longest answer.
_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_LONG: Final = (1.0, 2.0, 3.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0)
_SECONDS: Final = _SHORT + _LONG
_LINE: Final = (names.CANDIDATE, names.STAGE)
"""The attributes of every metric of ledger lines."""

REQUESTS: Final = Instrument(
    "lightrouter.route.requests",
    "{request}",
    "Routes that ended, by outcome (ok, degraded, failed, refused, cancelled) and, without an answer, by the error's "
    "reason. The caller of a refused route has to change the request. Requests that break a rule of the protos or find "
    "no free place do not become a route; they count in lightrouter.rpc.errors.",
    (names.OUTCOME, names.ERROR_TYPE),
)
ROUTE_DURATION: Final = Instrument(
    "lightrouter.route.duration", "s", "Time from admission to the answer or the error.", (names.OUTCOME,), _SECONDS
)
TIME_TO_FIRST_TEXT: Final = Instrument(
    "lightrouter.route.time_to_first_text",
    "s",
    "Time from admission to the first text of the answer, for requests that stream it.",
    (),
    _SECONDS,
)
ROUTES_IN_FLIGHT: Final = Instrument("lightrouter.route.in_flight", "{request}", "Running routes.")
STAGE_DURATION: Final = Instrument(
    "lightrouter.stage.duration", "s", "Duration of a stage, for stages that took place.", (names.STAGE,), _SECONDS
)
CALLS: Final = Instrument(
    "lightrouter.calls",
    "{call}",
    "Ledger lines: model calls that delivered or failed.",
    _LINE,
)
CALL_FAILURES: Final = Instrument(
    "lightrouter.call.failures",
    "{call}",
    "Ledger lines of failed calls, by reason; calls that an open circuit refused or the router cancelled are included.",
    (*_LINE, names.ERROR_TYPE),
)
TOKENS: Final = Instrument(
    "lightrouter.tokens",
    "{token}",
    "Tokens in the ledgers. The four types add up to all tokens: cached is the input from the provider's cache, input "
    "the rest of the input; reasoning is the hidden output, output the rest of the output.",
    (*_LINE, names.TOKEN_TYPE),
)
COST: Final = Instrument(
    "lightrouter.cost_nanousd",
    "{nanousd}",
    "Cost in the ledgers, in nano-dollars.",
    _LINE,
)
FULL_COST: Final = Instrument(
    "lightrouter.full_cost_nanousd",
    "{nanousd}",
    "Estimated cost of the same routes if every booted candidate had written its whole answer: the actual cost, less "
    "the ranking and the input that completions read again, plus, for each candidate that did not go on, the mean "
    "output of those that did, at its own price. The share that was saved is 1 - lightrouter.cost_nanousd / this.",
)
CALLER_REQUESTS: Final = Instrument(
    "lightrouter.caller.requests",
    "{request}",
    "Routes that ended, by outcome and, if callers need a token or a certificate, by caller.",
    (names.CALLER, names.OUTCOME),
)
CALLER_COST: Final = Instrument(
    "lightrouter.caller.cost_nanousd",
    "{nanousd}",
    "Cost in the ledgers, in nano-dollars, if callers need a token or a certificate by caller.",
    (names.CALLER,),
)
DEGRADED: Final = Instrument(
    "lightrouter.degraded",
    "{degradation}",
    "Degradations of answers, by reason; an answer may have several.",
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
    "Rankings, by the strategy that made them and the reason for the number of chosen candidates; all "
    "reasons but policy, cost_ceiling and only_one are early exits.",
    (names.STRATEGY, names.SELECTION_REASON),
)
AGGREGATIONS: Final = Instrument(
    "lightrouter.aggregations", "{request}", "Answers, by the strategy that made them of the drafts.", (names.STRATEGY,)
)
CANDIDATE_STATE: Final = Instrument(
    "lightrouter.candidate.state",
    "{candidate}",
    "1 for the current state of a candidate of the pool (admitted, probation, evicted).",
    (names.CANDIDATE, names.STATE),
)
CANDIDATE_SERVING: Final = Instrument(
    "lightrouter.candidate.serving",
    "{candidate}",
    "1 if a candidate's adapter serves, else 0; no value while that is unknown.",
    (names.CANDIDATE,),
)
POOL_WATCHED: Final = Instrument(
    "lightrouter.pool.watched",
    "{pool}",
    "1 while the router sees changes of its pool, else 0; then the last good pool stays in force.",
)
