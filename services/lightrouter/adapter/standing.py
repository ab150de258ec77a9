"""What is known of a candidate's provider, kept while the candidate's entry changes in other things."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from lightrouter.adapter.quirks import Learnt
from lightrouter.adapter.rest import Rest
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.circuit import Circuit, State


@dataclass(frozen=True, slots=True)
class Standing:
    """How one provider stands."""

    circuit: Circuit
    """Whether it is left alone because it failed."""
    rest: Rest
    """Whether it is left alone because it asked for it."""
    learnt: Learnt
    """How requests have to be put so that it takes them."""

    @classmethod
    def new(cls, entry: CandidateEntry, on_circuit: Callable[[State], None] = lambda _: None) -> Self:
        """Returns that of a provider of which nothing is known yet, on the running loop's clock.

        Args:
            entry: The candidate.
            on_circuit: Called with the circuit's state when it changes. Must not raise.
        """
        loop, limits = asyncio.get_running_loop(), entry.circuit
        circuit = Circuit(
            limits.failures, limits.cooldown_s, clock=loop.time, later=loop.call_later, on_change=on_circuit
        )
        return cls(circuit, Rest(loop.time), Learnt(entry.name))
