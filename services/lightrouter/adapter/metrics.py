"""What an adapter measures: every model call when it has ended, its queue, and its circuit."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.metrics import Meter

from lightrouter.adapter import instruments as i
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.circuit import State
from lightrouter.runtime.enums import series
from lightrouter.runtime.errors import reason_series
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.metrics import Tally, Values, histogram
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

Attributes = Mapping[str, str]


class CallMetrics:
    """Measures model calls."""

    def __init__(self, meter: Meter) -> None:
        """Reports to `meter`."""
        self._seconds = histogram(meter, i.CALL_DURATION)
        self._tokens = histogram(meter, i.CALL_TOKENS)
        self._first_chunk_seconds = histogram(meter, i.TIME_TO_FIRST_CHUNK)
        self._openings = Tally(i.CIRCUIT_OPENINGS).report(meter)
        self._known: dict[Values, Attributes] = {}

    def delivered(
        self, entry: CandidateEntry, stage: Stage.ValueType, seconds: float, usage: Usage, first_s: float | None
    ) -> None:
        """Measures a call of a candidate that delivered, with the seconds to its first chunk where it was watched."""
        of_call = self._attributes(entry, stage)
        self._seconds.record(seconds, of_call)
        self._tokens.record(usage.input_tokens, self._attributes(entry, stage, names.GEN_AI_TOKEN_TYPE, "input"))
        self._tokens.record(usage.output_tokens, self._attributes(entry, stage, names.GEN_AI_TOKEN_TYPE, "output"))
        if first_s is not None:
            self._first_chunk_seconds.record(first_s, of_call)

    def failed(
        self, entry: CandidateEntry, stage: Stage.ValueType, seconds: float, reason: ErrorReason.ValueType
    ) -> None:
        """Measures a call of a candidate that failed or was given up."""
        error = reason_series(reason)
        self._seconds.record(seconds, self._attributes(entry, stage, names.ERROR_TYPE, error))

    def circuit(self, candidate: str, state: State) -> None:
        """Counts that a candidate's circuit opened, where that is its new state."""
        if state is State.OPEN:
            self._openings.add(1, candidate)

    def _attributes(self, entry: CandidateEntry, stage: Stage.ValueType, name: str = "", value: str = "") -> Attributes:
        word = series(Stage, stage)
        key = (entry.name, entry.provider, entry.model, word, name, value)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = {
                names.GEN_AI_OPERATION_NAME: "chat",
                names.GEN_AI_PROVIDER_NAME: entry.provider,
                names.GEN_AI_REQUEST_MODEL: entry.model,
                names.CANDIDATE: entry.name,
                names.STAGE: word,
                **({name: value} if name else {}),
            }
        return known
