"""Every metric, each with its unit, the names of its attributes and a sentence.

The `gen_ai` names are OpenTelemetry's semantic conventions for generative AI; the `lightrouter` names are this
project's. Values of attributes come from the pool and from the enumerations of the protos, never from a caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lightrouter.runtime.telemetry import names

_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)
_LONG: Final = (1.0, 2.0, 3.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0)
_SECONDS: Final = _SHORT + _LONG
"""From an instant stage to the longest answer."""
# Those that the convention asks for.
_CALL_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_CHUNK_SHORT: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75)
_FIRST_CHUNK_SECONDS: Final = (*_FIRST_CHUNK_SHORT, 1.0, 2.5, 5.0, 7.5, 10.0)
_CALL_TOKENS: Final = tuple(float(4**power) for power in range(14))

_MODEL_CALL: Final = (
    names.GEN_AI_OPERATION_NAME,
    names.GEN_AI_PROVIDER_NAME,
    names.GEN_AI_REQUEST_MODEL,
    names.CANDIDATE,
    names.STAGE,
)
"""What every metric of model calls is split by."""
_LINE: Final = (names.CANDIDATE, names.STAGE)
"""What every metric of the ledgers' lines is split by."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A metric.

    Attributes:
        name: Its name.
        unit: Its unit, in UCUM.
        description: What it says, in sentences.
        attributes: Names of what it is split by.
        buckets: Upper bounds of a histogram's buckets, in its unit; empty where it is none.
    """

    name: str
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


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
STATE_CHANGES: Final = Instrument(
    "lightrouter.candidate.state_changes",
    "{change}",
    "Changes of candidates' states, and what made them.",
    (names.CANDIDATE, names.STATE_BEFORE, names.STATE, names.REASON),
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

CALL_DURATION: Final = Instrument(
    "gen_ai.client.operation.duration",
    "s",
    "From a model call to its end, attempts and waiting included; with the error's reason where it failed.",
    (*_MODEL_CALL, names.ERROR_TYPE),
    _CALL_SECONDS,
)
CALL_TOKENS: Final = Instrument(
    "gen_ai.client.token.usage",
    "{token}",
    "Tokens of a model call that delivered: input, cached ones included, and output, reasoning included.",
    (*_MODEL_CALL, names.GEN_AI_TOKEN_TYPE),
    _CALL_TOKENS,
)
TIME_TO_FIRST_CHUNK: Final = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    "From a model call to its first text or reasoning, of calls that are watched as they write.",
    _MODEL_CALL,
    _FIRST_CHUNK_SECONDS,
)
CALLS_IN_FLIGHT: Final = Instrument(
    "lightrouter.call.in_flight", "{call}", "Model calls before the provider now.", (names.CANDIDATE,)
)
CALLS_QUEUED: Final = Instrument(
    "lightrouter.call.queued", "{call}", "Model calls that wait for a place before the provider.", (names.CANDIDATE,)
)
CIRCUIT_STATE: Final = Instrument(
    "lightrouter.circuit.state",
    "{circuit}",
    "1 for the state that a candidate's circuit is in, 0 for the others (closed, open, half-open).",
    (names.CANDIDATE, names.STATE),
)
CIRCUIT_OPENINGS: Final = Instrument(
    "lightrouter.circuit.openings",
    "{opening}",
    "How often a candidate's circuit opened, however short that was.",
    (names.CANDIDATE,),
)

RPC_ERRORS: Final = Instrument(
    "lightrouter.rpc.errors",
    "{call}",
    "Calls of a service's RPCs that it answered with an error, by reason.",
    (names.ERROR_TYPE,),
)
TELEMETRY_DROPPED: Final = Instrument(
    "lightrouter.telemetry.dropped",
    "{item}",
    "What could not be sent by OTLP: spans that are lost, and exports of metrics, whose counts the next one brings.",
    (names.SIGNAL,),
)
