"""Events of a route, as a router sends them: three candidates, one fails, two go on, their drafts are merged."""

from google.protobuf.duration_pb2 import Duration

from lightrouter.v1.aggregator_pb2 import AnswerChunk
from lightrouter.v1.candidate_pb2 import Partial, RankedCandidate, Ranking
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason, Ledger, LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import (
    Answer,
    CandidateBooted,
    DraftFinished,
    PartialChunk,
    RouteStarted,
    Selection,
    SelectionReason,
    StreamCompleteResponse,
)

Event = StreamCompleteResponse
LENGTH, STOP = FinishReason.FINISH_REASON_LENGTH, FinishReason.FINISH_REASON_STOP


def entry(stage: Stage.ValueType, candidate: str, finish: FinishReason.ValueType = LENGTH) -> LedgerEntry:
    return LedgerEntry(
        stage=stage,
        candidate=candidate,
        usage=Usage(input_tokens=20, cached_input_tokens=8, output_tokens=32),
        cost_nanousd=1_500,
        elapsed=Duration(nanos=250_000_000),
        finish_reason=finish,
        attempts=1,
    )


def failed(stage: Stage.ValueType, candidate: str) -> LedgerEntry:
    failure = Failure(reason=ErrorReason.ERROR_REASON_UPSTREAM_ERROR, message="HTTP 500 from the provider")
    return LedgerEntry(stage=stage, candidate=candidate, failure=failure)


STARTED = Event(
    started=RouteStarted(route_id="ab" * 16, policy=Policy(boot_tokens=32), candidates=["fast", "slow", "broken"])
)
PIECES = [
    Event(partial_chunk=PartialChunk(candidate="fast", text="Rayleigh ")),
    Event(partial_chunk=PartialChunk(candidate="slow", text="Because\nof ")),
    Event(partial_chunk=PartialChunk(candidate="fast", text="scattering")),
]
BOOTED = [
    Event(
        booted=CandidateBooted(
            partial=Partial(candidate="fast", text="Rayleigh scattering of", finish_reason=LENGTH),
            entry=entry(Stage.STAGE_BOOT, "fast"),
        )
    ),
    Event(
        booted=CandidateBooted(
            partial=Partial(candidate="slow", text="Because of air.", finish_reason=STOP),
            entry=entry(Stage.STAGE_BOOT, "slow", STOP),
        )
    ),
    Event(booted=CandidateBooted(partial=Partial(candidate="broken"), entry=failed(Stage.STAGE_BOOT, "broken"))),
]
SELECTION = Selection(
    ranking=Ranking(
        candidates=[RankedCandidate(candidate="slow", score=0.75), RankedCandidate(candidate="fast", score=0.5)],
        agreement=0.6,
    ),
    strategy=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS,
    chosen=["slow", "fast"],
    reason=SelectionReason.SELECTION_REASON_POLICY,
    margin=0.25,
)
SELECTED = Event(selection=SELECTION)
DRAFTED = Event(draft=DraftFinished(candidate="fast", characters=120, entry=entry(Stage.STAGE_COMPLETE, "fast", STOP)))
CHUNKS = [
    Event(chunk=AnswerChunk(text="The ")),
    Event(chunk=AnswerChunk(text="The sky", restart=True)),
    Event(chunk=AnswerChunk(text=" is blue.")),
]
ANSWER = Answer(
    finish_reason=STOP,
    candidates=["slow", "fast"],
    selection=SELECTION,
    aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
    ledger=Ledger(
        entries=[
            entry(Stage.STAGE_BOOT, "fast"),
            entry(Stage.STAGE_BOOT, "slow", STOP),
            failed(Stage.STAGE_BOOT, "broken"),
            entry(Stage.STAGE_COMPLETE, "fast", STOP),
            entry(Stage.STAGE_AGGREGATE, "slow", STOP),
        ],
        usage=Usage(input_tokens=80, cached_input_tokens=32, output_tokens=128),
        cost_nanousd=6_000,
        elapsed=Duration(seconds=1, nanos=500_000_000),
    ),
    degraded=[
        Degradation(
            reason=DegradedReason.DEGRADED_REASON_CANDIDATE_FAILED,
            message="broken failed in the boot stage",
            candidate="broken",
        )
    ],
    contradictions=["One says air, one says light."],
    route_id="ab" * 16,
)
ANSWERED = Event(answer=ANSWER)
ROUTE = [STARTED, *PIECES, *BOOTED, SELECTED, DRAFTED, *CHUNKS, ANSWERED]
