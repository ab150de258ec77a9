"""What is known of a candidate's provider; it outlives changes of the entry that do not touch the provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from lightrouter.adapter.backoff import Backoff
from lightrouter.adapter.quirks import LearnedQuirks, Quirks
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.circuit import Circuit, State


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The state of one provider."""

    circuit: Circuit
    """Opens after failures in a row: no call is made while it is open."""
    backoff: Backoff
    """The pause that the provider asked for."""
    learned: LearnedQuirks
    """How a request must be put so that the provider accepts it."""

    @classmethod
    def new(cls, entry: CandidateEntry, on_circuit: Callable[[State], None] = lambda _: None) -> Self:
        """Returns the state of a provider of which nothing is known yet, on the running loop's clock.

        Args:
            entry: The candidate.
            on_circuit: Is called with each new state of the circuit. Must not raise.
        """
        loop, limits = asyncio.get_running_loop(), entry.circuit
        circuit = Circuit(
            limits.failures, limits.cooldown_s, clock=loop.time, later=loop.call_later, on_change=on_circuit
        )
        return cls(circuit, Backoff(loop.time), LearnedQuirks(entry.name, Quirks.stated(entry.refuses)))
