"""The definition of a metric, and the metrics of all services.

The `gen_ai` names are OpenTelemetry's semantic conventions for generative AI; the `lightrouter` names are this
project's. Values of attributes come from the pool and from the enumerations of the protos, never from a caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lightrouter.runtime.telemetry import names

Values = tuple[str, ...]
"""The values of an instrument's attributes, in their order; empty text for an absent one."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A metric.

    Attributes:
        name: Its name.
        unit: Its unit, in UCUM.
        description: Its description, in sentences.
        attributes: The names of its attributes.
        buckets: Upper bounds of a histogram's buckets, in its unit; empty for other metrics.
    """

    name: str
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def attributes(instrument: Instrument, values: Sequence[str]) -> dict[str, str]:
    """Returns the attributes of an instrument with these values, without the empty ones."""
    return {name: value for name, value in zip(instrument.attributes, values, strict=True) if value}


STATE_CHANGES: Final = Instrument(
    "lightrouter.candidate.state_changes",
    "{change}",
    "Changes of candidates' states, by reason.",
    (names.CANDIDATE, names.STATE_BEFORE, names.STATE, names.REASON),
)
RPC_ERRORS: Final = Instrument(
    "lightrouter.rpc.errors",
    "{call}",
    "RPCs that the service answered with an error, by reason.",
    (names.ERROR_TYPE,),
)
TELEMETRY_DROPPED: Final = Instrument(
    "lightrouter.telemetry.dropped",
    "{item}",
    "Failures to send by OTLP: lost spans, and exports of metrics, whose counts the next export sends.",
    (names.SIGNAL,),
)
