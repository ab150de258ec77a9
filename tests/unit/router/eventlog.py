"""The events of a route, recorded in their order."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.router.events import Events
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ToolCall, ToolCallDelta
from lightrouter.v1.ledger_pb2 import LedgerEntry
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Selection


class EventLog(Events):
    """Records the events of a route in their order."""

    def __init__(self, *, text: bool = True, partials: bool = False) -> None:
        self.wants_text = text
        self.wants_partials = partials
        self.kinds: list[str] = []
        self.boots: list[tuple[Partial, LedgerEntry]] = []
        self.partials: dict[str, str] = {}
        self.selection: Selection | None = None
        self.drafts: list[tuple[str, int, LedgerEntry | None]] = []
        self.chunks: list[tuple[str, bool]] = []

    @property
    def text(self) -> str:
        """The pieces since the last restart, joined."""
        joined = ""
        for text, restart in self.chunks:
            joined = text if restart else joined + text
        return joined

    def started(self, route_id: str, policy: Policy, candidates: Sequence[str]) -> None:
        self.kinds.append("started")

    def partial_chunk(self, candidate: str, text: str) -> None:
        self.kinds.append("partial_chunk")
        self.partials[candidate] = self.partials.get(candidate, "") + text

    def booted(self, partial: Partial, entry: LedgerEntry) -> None:
        self.kinds.append("booted")
        self.boots.append((partial, entry))

    def selected(self, selection: Selection) -> None:
        self.kinds.append("selection")
        self.selection = selection

    def drafted(self, candidate: str, characters: int, entry: LedgerEntry | None) -> None:
        self.kinds.append("draft")
        self.drafts.append((candidate, characters, entry))

    def chunk(
        self,
        text: str,
        *,
        restart: bool = False,
        pieces: Sequence[ToolCallDelta] = (),
        calls: Sequence[ToolCall] = (),
    ) -> None:
        del pieces, calls
        self.kinds.append("chunk")
        self.chunks.append((text, restart))
