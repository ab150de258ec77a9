"""The adapter's metrics."""

from __future__ import annotations

from typing import Final

from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import Instrument

# The buckets are from OpenTelemetry's semantic conventions for generative AI.
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
"""The attributes of every metric of model calls."""

CALL_DURATION: Final = Instrument(
    "gen_ai.client.operation.duration",
    "s",
    "Duration of a model call, with attempts and waits; a failed call has the reason of its error.",
    (*_MODEL_CALL, names.ERROR_TYPE),
    _CALL_SECONDS,
)
CALL_TOKENS: Final = Instrument(
    "gen_ai.client.token.usage",
    "{token}",
    "Tokens of a model call, failed and dropped calls included: input with cached tokens, and output with reasoning.",
    (*_MODEL_CALL, names.GEN_AI_TOKEN_TYPE, names.ESTIMATED),
    _CALL_TOKENS,
)
TIME_TO_FIRST_CHUNK: Final = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "s",
    "Time from a streamed model call to its first text or reasoning.",
    _MODEL_CALL,
    _FIRST_CHUNK_SECONDS,
)
CALLS_IN_FLIGHT: Final = Instrument(
    "lightrouter.call.in_flight", "{call}", "Model calls that run now.", (names.CANDIDATE,)
)
CALLS_QUEUED: Final = Instrument(
    "lightrouter.call.queued", "{call}", "Model calls in the queue before the provider.", (names.CANDIDATE,)
)
CIRCUIT_STATE: Final = Instrument(
    "lightrouter.circuit.state",
    "{circuit}",
    "1 for the current state of a candidate's circuit, 0 for the others (closed, open, half-open).",
    (names.CANDIDATE, names.STATE),
)
CIRCUIT_OPENINGS: Final = Instrument(
    "lightrouter.circuit.openings",
    "{opening}",
    "The number of times that a candidate's circuit opened.",
    (names.CANDIDATE,),
)
