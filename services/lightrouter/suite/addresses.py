"""The addresses of adapters in this process."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = "in-process:{name}"
"""The address of the adapter of a candidate; {name} stands for its name. gRPC has no such scheme."""


class LocalAddresses:
    """The addresses that lead to adapters in this process."""

    def __init__(self, template: str) -> None:
        """Takes the form of the addresses; {name} stands for a candidate's name."""
        self._before, _, self._after = template.partition("{name}")

    def candidate_at(self, address: str) -> str | None:
        """Returns the candidate whose adapter is at `address`; None if that is elsewhere."""
        name = address.removeprefix(self._before).removesuffix(self._after)
        return name if name and address == f"{self._before}{name}{self._after}" else None
