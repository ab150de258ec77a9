"""What is known of a candidate's provider, kept while the candidate's entry changes in other things."""

from __future__ import annotations

from dataclasses import dataclass

from lightrouter.adapter.quirks import Learnt
from lightrouter.adapter.rest import Rest
from lightrouter.runtime.circuit import Circuit


@dataclass(frozen=True, slots=True)
class Standing:
    """How one provider stands."""

    circuit: Circuit
    """Whether it is left alone because it failed."""
    rest: Rest
    """Whether it is left alone because it asked for it."""
    learnt: Learnt
    """How requests have to be put so that it takes them."""
