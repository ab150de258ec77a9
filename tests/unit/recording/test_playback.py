from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.recording.load import load
from lightrouter.recording.playback import NotRecordedError, Playback
from lightrouter.recording.recording import RecordedPrompt, Recording, Response
from lightrouter.runtime.tokens import count
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from tests.recordings import line, write

ASKED = (ChatMessage(role=Role.ROLE_USER, content="Why?"),)


def playback(text: str, output_tokens: int | None = None, **known: float) -> Playback:
    counted = count(text)
    response = Response(text, counted, counted if output_tokens is None else output_tokens, **known)  # type: ignore[arg-type]  # floats for seconds
    return Playback(Recording([RecordedPrompt("p", "", ASKED, 10, {"m": response})]), "m")


@given(st.text(), st.lists(st.integers(1, 9)), st.integers(1, 300) | st.none())
def test_pieces_are_the_whole_text_and_have_its_tokens(text: str, cuts: list[int], recorded: int | None) -> None:
    played = playback(text, recorded)
    total = count(text) if recorded is None else recorded
    lead, written, ended = "", 0, False
    for most in [*cuts, None]:
        piece = played.play(ASKED, lead, most)
        assert piece.input_tokens == 10 + written
        written += piece.output_tokens
        lead += piece.text
        ended = piece.ended
        if ended:
            break
        assert piece.text
    assert ended
    assert lead == text
    assert written == (total if text else 0)


@given(st.text(min_size=1), st.integers(1, 9), st.integers(1, 60))
def test_a_piece_has_no_more_tokens_than_it_may(text: str, most: int, recorded: int) -> None:
    piece = playback(text, recorded).play(ASKED, "", most)
    # One of our own tokens is written whatever it stands for, so that something always is.
    assert piece.output_tokens <= max(most, -(-recorded // count(text)))


def test_recorded_input_tokens_and_seconds_count() -> None:
    played = playback("one two three four", input_tokens=50, latency_s=2.0)
    first = played.play(ASKED, "", 1)
    assert (first.input_tokens, first.output_tokens, first.ended, first.seconds) == (50, 1, False, 0.5)
    rest = played.play(ASKED, first.text, None)
    assert (rest.input_tokens, rest.output_tokens, rest.ended, rest.seconds) == (51, 3, True, 1.5)


@pytest.mark.parametrize(
    "messages",
    [
        [("ROLE_USER", "What  is\n2 + 2? ")],
        [("ROLE_SYSTEM", "Be brief."), ("ROLE_USER", "What is 2 + 2?")],
    ],
)
def test_a_prompt_is_found_by_its_words(tmp_path: Path, messages: list[tuple[str, str]]) -> None:
    recording = load(write(tmp_path / "data.jsonl", [line("What is 2 + 2?", {"m": "4"})]))
    asked = [ChatMessage(role=Role.Value(role), content=content) for role, content in messages]
    assert Playback(recording, "m").play(asked, "", None).text == "4"


@pytest.mark.parametrize(
    ("messages", "lead", "fault"),
    [
        (
            [ChatMessage(role=Role.ROLE_USER, content="Who?")],
            "",
            "the recording has no response of m to this conversation",
        ),
        ([*ASKED, *ASKED], "", "the recording has no response of m to this conversation"),
        (ASKED, "No", "the recorded response of m does not start with the text to continue"),
    ],
)
def test_an_unrecorded_prompt_is_refused(messages: list[ChatMessage], lead: str, fault: str) -> None:
    with pytest.raises(NotRecordedError, match=fault):
        playback("Because.").play(messages, lead, 5)


def test_a_model_that_was_not_recorded_is_refused() -> None:
    recording = Recording([RecordedPrompt("p", "", ASKED, 1, {"m": Response("t", 1, 1)})])
    with pytest.raises(NotRecordedError, match="no responses of other"):
        Playback(recording, "other")


def test_seconds_are_shares_of_the_recorded_tokens() -> None:
    played = playback("one two three four", output_tokens=40, latency_s=2.0)
    first = played.play(ASKED, "", 10)
    rest = played.play(ASKED, first.text, None)
    assert (first.output_tokens, first.seconds) == (10, 0.5)
    assert (rest.output_tokens, rest.seconds) == (30, 1.5)


def test_the_response_to_the_first_of_two_equal_prompts_counts() -> None:
    responses = [Response("first", 1, 1), Response("second", 1, 1)]
    prompts = [RecordedPrompt(each.text, "", ASKED, 10, {"m": each}) for each in responses]
    assert Playback(Recording(prompts), "m").play(ASKED, "", None).text == "first"


def test_turns_are_not_words_of_one_turn() -> None:
    turns = (
        ChatMessage(role=Role.ROLE_USER, content="a"),
        ChatMessage(role=Role.ROLE_ASSISTANT, content="b"),
        ChatMessage(role=Role.ROLE_USER, content="c"),
    )
    said = f"a {Role.ROLE_ASSISTANT} b {Role.ROLE_USER} c"
    played = Playback(Recording([RecordedPrompt("p", "", turns, 10, {"m": Response("x", 1, 1)})]), "m")
    assert played.play(turns, "", None).text == "x"
    with pytest.raises(NotRecordedError):
        played.play([ChatMessage(role=Role.ROLE_USER, content=said)], "", None)
