"""The attempts of a call, and of how many of them the cost is known."""

from __future__ import annotations

from dataclasses import dataclass

from lightrouter.runtime.errors import ServiceError


@dataclass(slots=True)
class AttemptCosts:
    """Counts the attempts of a call.

    Attributes:
        made: The attempts so far.
        unknown: Those that failed and may have been billed although nothing that the provider sent shows it.
    """

    made: int = 0
    unknown: int = 0
    _runs: bool = False

    @property
    def counted(self) -> int:
        """The attempts whose cost is in the call's usage, or is nothing."""
        return self.made - self.unknown

    def begin(self) -> None:
        """Counts an attempt that begins."""
        self.made += 1
        self._runs = True

    def fail(self, error: ServiceError, *, wrote: bool) -> None:
        """Ends the running attempt, if there is one, with `error`; `wrote` if the usage tells what it cost."""
        self.unknown += self._runs and error.spent is None and not wrote
        self._runs = False
