import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.cli.progress import Phase, RouteProgress
from lightrouter.v1.ledger_pb2 import Stage
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import CandidateBooted, DraftFinished, RouteStarted, Selection, StreamCompleteResponse
from tests.unit.cli import events


def after(*happened: StreamCompleteResponse) -> RouteProgress:
    progress = RouteProgress()
    for event in happened:
        progress.apply(event)
    return progress


def phases(progress: RouteProgress) -> dict[str, Phase]:
    return {name: candidate.phase for name, candidate in progress.candidates.items()}


def test_boot_texts_grow_piece_by_piece() -> None:
    progress = after(events.STARTED, *events.PIECES)
    assert progress.route_id == "ab" * 16
    assert progress.candidates["fast"].text == "Rayleigh scattering"
    assert set(phases(progress).values()) == {Phase.BOOTING}


def test_a_boot_ends_as_partial_draft_or_failure() -> None:
    progress = after(events.STARTED, *events.PIECES, *events.BOOTED)
    assert phases(progress) == {"fast": Phase.BOOTED, "slow": Phase.DRAFTED, "broken": Phase.FAILED}
    assert progress.candidates["fast"].text == "Rayleigh scattering of"
    assert progress.candidates["broken"].note == "HTTP 500 from the provider"


def test_the_ranking_says_who_goes_on() -> None:
    progress = after(events.STARTED, *events.BOOTED, events.SELECTED)
    assert phases(progress) == {"fast": Phase.COMPLETING, "slow": Phase.DRAFTED, "broken": Phase.FAILED}
    assert (progress.candidates["slow"].rank, progress.candidates["slow"].score) == (1, 0.75)
    assert progress.candidates["broken"].score is None


def test_a_candidate_asked_outright_writes_and_the_next_one_follows() -> None:
    started = StreamCompleteResponse(started=RouteStarted(policy=Policy(worth_nanousd=0), candidates=["a"]))
    assert phases(after(started)) == {"a": Phase.ASKED}
    draft = StreamCompleteResponse(draft=DraftFinished(candidate="a", characters=3))
    selected = StreamCompleteResponse(selection=Selection(chosen=["a", "b"]))
    assert phases(after(started, draft, selected)) == {"a": Phase.DRAFTED, "b": Phase.ASKED}


def test_candidates_not_chosen_are_dropped_and_running_boots_were_too_slow() -> None:
    only_fast = StreamCompleteResponse(selection=Selection(chosen=["fast"]))
    progress = after(events.STARTED, events.BOOTED[0], events.BOOTED[1], only_fast)
    assert phases(progress) == {"fast": Phase.COMPLETING, "slow": Phase.DROPPED, "broken": Phase.DROPPED}
    assert progress.candidates["broken"].note == "too slow"


def test_a_draft_may_fail() -> None:
    event = StreamCompleteResponse(
        draft=DraftFinished(candidate="fast", entry=events.failed(Stage.STAGE_COMPLETE, "fast"))
    )
    progress = after(events.STARTED, *events.BOOTED, events.SELECTED, event)
    assert progress.candidates["fast"].phase is Phase.FAILED


def test_a_restart_voids_what_came_before() -> None:
    assert after(*events.CHUNKS).text == "The sky is blue."


def test_the_whole_answer_has_the_text_and_leaves_the_event_alone() -> None:
    progress = after(*events.ROUTE)
    answer = progress.whole_answer()
    assert answer.text == "The sky is blue."
    assert progress.answer is not None
    assert not progress.answer.text
    assert answer.ledger == events.ANSWER.ledger


def test_the_answer_is_not_whole_before_the_end() -> None:
    with pytest.raises(ValueError, match="not ended"):
        RouteProgress().whole_answer()


def test_an_event_of_a_newer_router_changes_nothing() -> None:
    assert after(StreamCompleteResponse()) == RouteProgress()


def test_a_booted_event_without_a_name_in_the_partial_takes_the_entrys() -> None:
    event = StreamCompleteResponse(booted=CandidateBooted(entry=events.failed(Stage.STAGE_BOOT, "broken")))
    assert phases(after(events.STARTED, event))["broken"] is Phase.FAILED


@given(st.lists(st.sampled_from(events.ROUTE)))
def test_events_in_any_order_are_borne(happened: list[StreamCompleteResponse]) -> None:
    after(*happened)
