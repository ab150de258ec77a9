"""An observer that keeps the records of routes."""

from __future__ import annotations

from lightrouter.router.telemetry.observers import RouteRecord


class Recorder:
    """Keeps the records of the routes that have ended."""

    def __init__(self) -> None:
        self.records: list[RouteRecord] = []

    def started(self) -> None:
        """Keeps nothing."""

    def ended(self, record: RouteRecord) -> None:
        """Keeps the record."""
        self.records.append(record)
