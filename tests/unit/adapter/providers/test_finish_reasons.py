"""Finish reasons in the words of all providers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.providers.finish_reasons import (
    FILTER,
    LENGTH,
    NOT_GIVEN,
    STOP,
    TOOL_CALLS,
    UNKNOWN,
    less_whole,
    meaning,
)
from lightrouter.v1.chat_pb2 import FinishReason

WORDS = {
    STOP: "stop STOP Stop end_turn stop_sequence eos eos_token COMPLETE endTurn FinishReason.STOP FINISH_REASON_STOP"
    " normal stop-sequence STOP_CRITERIA_MET stopped_eos stopped_word",
    LENGTH: "length LENGTH max_tokens MAX_TOKENS maxTokens model_length model_context_window_exceeded ERROR_LIMIT"
    " max_output_tokens FinishReason.MAX_TOKENS stopped_limit context_window_exceeded",
    FILTER: "content_filter CONTENT_FILTER SAFETY RECITATION LANGUAGE BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY"
    " refusal sensitive ERROR_TOXIC guardrail_intervened content_filtered",
    TOOL_CALLS: "tool_calls tool_use function_call TOOL_CALL",
    UNKNOWN: "pause_turn OTHER repetition incomplete gibberish 7 STOP! stopped?",
    NOT_GIVEN: "null None FINISH_REASON_UNSPECIFIED not_finished",
}
FAILURES = (
    "error ERROR abort aborted cancelled USER_CANCEL insufficient_system_resource network_error load unload"
    " MALFORMED_FUNCTION_CALL timeout error_internal"
)


@pytest.mark.parametrize(("word", "meant"), [(word, meant) for meant, words in WORDS.items() for word in words.split()])
def test_words(word: str, meant: FinishReason.ValueType) -> None:
    assert meaning(word) == meant
    assert meaning(f" {word}\n") == meant


@pytest.mark.parametrize("word", FAILURES.split())
def test_failures(word: str) -> None:
    assert meaning(word) is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (None, NOT_GIVEN),
        ("", NOT_GIVEN),
        (" ", NOT_GIVEN),
        (1, UNKNOWN),
        (0, UNKNOWN),
        (False, UNKNOWN),
        ([], UNKNOWN),
        ({"type": "stop"}, UNKNOWN),
        ({"type": "length", "length": 5}, LENGTH),
        ({"type": "abort", "message": "no"}, None),
        ({"type": {}}, UNKNOWN),
        ({}, UNKNOWN),
        ("stop" * 100_000, UNKNOWN),
    ],
)
def test_finish_reasons_of_other_types(said: object, meant: FinishReason.ValueType) -> None:
    assert meaning(said) == meant


@given(st.text())
def test_only_known_finish_reasons_are_good_ends(word: str) -> None:
    if meaning(word) == STOP:
        assert word.strip().rpartition(".")[2].casefold() in WORDS[STOP].casefold() or "stop" in word.casefold()


def test_a_worse_ending_is_never_taken_back() -> None:
    worse = [NOT_GIVEN, STOP, UNKNOWN, LENGTH, FILTER]
    for place, one in enumerate(worse):
        for other in worse[place:]:
            assert less_whole(one, other) == less_whole(other, one) == other
