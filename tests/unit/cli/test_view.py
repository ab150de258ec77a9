import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from lightrouter.cli import candidates, view
from lightrouter.cli.progress import RouteProgress
from lightrouter.cli.text import printable
from lightrouter.v1.candidate_pb2 import Candidate, CandidateHealth, CandidateState, Prices
from lightrouter.v1.router_pb2 import (
    Answer,
    CandidateStatus,
    ListCandidatesResponse,
    PartialChunk,
    Selection,
    SelectionReason,
    StreamCompleteResponse,
)
from tests.unit.cli import events


def drawn(renderable: RenderableType) -> str:
    file = io.StringIO()
    Console(file=file, width=120).print(renderable)
    return file.getvalue()


def after(*happened: StreamCompleteResponse) -> RouteProgress:
    progress = RouteProgress()
    for event in happened:
        progress.apply(event)
    return progress


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if name in line)


def test_a_row_per_candidate_with_its_boot_text() -> None:
    text = drawn(view.live(after(events.STARTED, *events.PIECES)))
    assert "booting" in row(text, "fast")
    assert "Rayleigh scattering" in row(text, "fast")
    assert "Because of" in row(text, "slow")


def test_scores_and_who_goes_on() -> None:
    text = drawn(view.live(after(events.STARTED, *events.BOOTED, events.SELECTED)))
    assert "0.75" in row(text, "Because of air.")
    assert text.index("slow") < text.index("fast") < text.index("broken")
    assert "HTTP 500 from the provider" in row(text, "broken")
    assert "slow and fast go on: as the policy says (ranked by consensus; agreement 0.60, margin 0.25)" in text


def test_the_answer_streams_and_stays_small() -> None:
    progress = after(events.STARTED, events.SELECTED)
    progress.text = "\n".join(f"line {number}" for number in range(100))
    text = drawn(view.live(progress))
    assert "line 99" in text
    assert "line 50" not in text


def test_the_end_shows_answer_ledger_totals_and_what_was_degraded() -> None:
    text = drawn(view.final(after(*events.ROUTE)))
    assert "The sky is blue." in text
    assert "complete" in row(text, "$0.000001500") or "boot" in row(text, "$0.000001500")
    total = row(text, "$0.000006000")
    assert all(part in total for part in ("total", "5 calls", "80", "32", "128", "1.50 s"))
    assert "answer by synthesize from slow and fast" in text
    assert "contradiction: One says air, one says light." in text
    assert "degraded (broken): broken failed in the boot stage" in text


def test_the_summary_is_one_line() -> None:
    assert view.summary(events.ANSWER) == (
        "$0.000006000 | 80 input (32 cached) + 128 output tokens | 5 calls | 1.50 s | slow+fast"
        " | degraded: broken failed in the boot stage"
    )


def test_markup_and_escapes_of_a_model_are_text() -> None:
    piece = StreamCompleteResponse(partial_chunk=PartialChunk(candidate="fast", text="[bold]x[/bold] \x1b[2J"))
    text = drawn(view.live(after(events.STARTED, piece)))
    assert "[bold]x[/bold] [2J" in text
    assert "\x1b[2J" not in text


def test_the_pool_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    listed = ListCandidatesResponse(
        candidates=[
            CandidateStatus(
                candidate=Candidate(
                    name="fast",
                    provider="openai",
                    model="m",
                    prices=Prices(input_nanousd_per_million=150_000_000, output_nanousd_per_million=2_000_000_000),
                    context_window=8192,
                    prior=0.5,
                    state=CandidateState.CANDIDATE_STATE_ADMITTED,
                ),
                health=CandidateHealth.CANDIDATE_HEALTH_SERVING,
            ),
            CandidateStatus(candidate=Candidate(name="slow")),
        ]
    )
    candidates.print_listed(listed, "wide")
    text = capsys.readouterr().out
    for part in ("openai", "admitted", "serving", "0.15", "2.00", "8,192", "0.50"):
        assert part in row(text, "fast")
    assert "not known" in row(text, "slow")


@given(st.text(), st.text())
def test_any_text_of_a_model_can_be_drawn(boot: str, answer: str) -> None:
    progress = after(*events.ROUTE)
    progress.candidates["fast"].text = boot
    progress.text = answer
    drawn(view.live(progress))
    drawn(view.final(progress))


def test_an_answer_without_anything_in_it_can_be_drawn() -> None:
    progress = after(StreamCompleteResponse(answer=Answer()))
    assert "0 calls" in drawn(view.final(progress))


def test_every_reason_for_as_many_as_go_on_is_told() -> None:
    for name, reason in SelectionReason.items():
        line = view.selection_line(Selection(chosen=["a"], reason=reason)).plain
        assert ("a goes on: " in line) == (reason != SelectionReason.SELECTION_REASON_UNSPECIFIED), name


NASTY = "\x1b[31mred\x07\x9b2J\u202e\r\nfake line"


def test_no_text_of_an_answer_reaches_the_terminal_raw() -> None:
    answer = Answer(text=NASTY, candidates=[NASTY], route_id=NASTY, contradictions=[NASTY])
    answer.degraded.add(message=NASTY, candidate=NASTY)
    answer.ledger.entries.add(candidate=NASTY).failure.message = NASTY
    shown = [view.summary(answer), drawn(view.ledger(answer)), *(note.plain for note in view.notes(answer))]
    for text in shown:
        assert printable(text) == text
    assert len(view.summary(answer).splitlines()) == 1
    assert view.summary(answer).endswith("| degraded: [31mred2J fake line")


@pytest.mark.parametrize("form", candidates.FORMS)
def test_no_text_of_a_pool_reaches_the_terminal_raw(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = ListCandidatesResponse()
    status = listed.candidates.add(candidate=Candidate(name=NASTY, model=NASTY, provider=NASTY))
    status.traffic.drift = NASTY
    listed.conditions.add(type=NASTY, message=NASTY)
    candidates.print_listed(listed, form)
    said = capsys.readouterr().out
    assert printable(said) == said
    lines = {"table": 4, "wide": 4, "name": 1}
    assert len(said.splitlines()) == lines.get(form, len(said.splitlines()))
