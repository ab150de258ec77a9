"""The state of a running route, updated by the router's events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.ledger_pb2 import LedgerEntry
from lightrouter.v1.router_pb2 import Answer, CandidateBooted, DraftFinished, Selection, StreamCompleteResponse


class Phase(StrEnum):
    """The phase of a candidate."""

    ASKED = "asked"
    """It writes its whole answer in one call."""
    BOOTING = "booting"
    """It writes its boot tokens."""
    BOOTED = "booted"
    """It has written them and has more to write."""
    DRAFTED = "draft"
    """It has a whole draft."""
    COMPLETING = "completing"
    """It was chosen and completes its draft."""
    FAILED = "failed"
    """It failed."""
    DROPPED = "dropped"
    """It was not chosen."""


@dataclass(slots=True)
class CandidateProgress:
    """One candidate of the route.

    Attributes:
        name: Its name.
        phase: Its phase.
        text: Its boot text so far.
        score: The selector's score, 0 to 1; None before the ranking, or if it was not ranked.
        rank: Its place in the ranking, from 1; 0 if it has none.
        note: What went wrong, or the reason for its rank; one sentence, or empty.
        entries: Its model calls so far.
    """

    name: str
    phase: Phase = Phase.BOOTING
    text: str = ""
    score: float | None = None
    rank: int = 0
    note: str = ""
    entries: list[LedgerEntry] = field(default_factory=list)


@dataclass(slots=True)
class RouteProgress:
    """A route, from its first event to its last.

    Attributes:
        route_id: The route's id; empty before it was admitted.
        candidates: The candidates by name, in the order in which they boot.
        selection: The ranking and the candidates that go on; None before.
        text: The answer so far.
        answer: The answer's ledger and details; None before the end.
    """

    route_id: str = ""
    candidates: dict[str, CandidateProgress] = field(default_factory=dict)
    selection: Selection | None = None
    text: str = ""
    answer: Answer | None = None

    def apply(self, event: StreamCompleteResponse) -> None:
        """Applies one event to the state; unknown kinds of events change nothing."""
        match event.WhichOneof("event"):
            case "started":
                self.route_id = event.started.route_id
                phase = Phase.ASKED if event.started.policy.HasField("worth_nanousd") else Phase.BOOTING
                self.candidates = {name: CandidateProgress(name, phase) for name in event.started.candidates}
            case "partial_chunk":
                self._candidate(event.partial_chunk.candidate).text += event.partial_chunk.text
            case "booted":
                self._booted(event.booted)
            case "selection":
                self._selected(event.selection)
            case "draft":
                self._drafted(event.draft)
            case "chunk":
                self.text = event.chunk.text if event.chunk.restart else self.text + event.chunk.text
            case "answer":
                self.answer = event.answer
            case _:
                pass

    def whole_answer(self) -> Answer:
        """Returns the answer including its text.

        Raises:
            ValueError: The route has not ended.
        """
        if self.answer is None:
            raise ValueError("the route has not ended")
        answer = Answer()
        answer.CopyFrom(self.answer)
        answer.text = answer.text or self.text
        return answer

    def _candidate(self, name: str) -> CandidateProgress:
        return self.candidates.setdefault(name, CandidateProgress(name))

    def _booted(self, event: CandidateBooted) -> None:
        candidate = self._candidate(event.partial.candidate or event.entry.candidate)
        candidate.entries.append(event.entry)
        if event.entry.HasField("failure"):
            candidate.phase, candidate.note = Phase.FAILED, event.entry.failure.message
            return
        candidate.text = event.partial.text
        has_more = event.partial.finish_reason == FinishReason.FINISH_REASON_LENGTH
        candidate.phase = Phase.BOOTED if has_more else Phase.DRAFTED

    def _selected(self, selection: Selection) -> None:
        self.selection = selection
        for position, ranked in enumerate(selection.ranking.candidates, start=1):
            candidate = self._candidate(ranked.candidate)
            candidate.rank, candidate.score, candidate.note = position, ranked.score, ranked.rationale
        for name in selection.chosen:
            # A candidate that the route has not named so far is asked for its whole answer now.
            self.candidates.setdefault(name, CandidateProgress(name, Phase.ASKED))
        for name, candidate in self.candidates.items():
            if name in selection.chosen:
                candidate.phase = Phase.COMPLETING if candidate.phase is Phase.BOOTED else candidate.phase
            elif candidate.phase is not Phase.FAILED:
                # A candidate that still boots after the ranking was too slow.
                candidate.note = candidate.note or ("too slow" if candidate.phase is Phase.BOOTING else "")
                candidate.phase = Phase.DROPPED

    def _drafted(self, event: DraftFinished) -> None:
        candidate = self._candidate(event.candidate)
        candidate.phase = Phase.DRAFTED
        if event.HasField("entry"):
            candidate.entries.append(event.entry)
            if event.entry.HasField("failure"):
                candidate.phase, candidate.note = Phase.FAILED, event.entry.failure.message
