"""Token counts: the provider's if they are plausible."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.usage import Written, estimated, merged, reported
from lightrouter.v1.chat_pb2 import ChatMessage, Role, Usage

WRITTEN = Written(prompt=100, text=80, reasoning=0, max_tokens=50)


def counts(prompt: object = 30, output: object = 20, **members: object) -> dict[str, object]:
    return {"prompt_tokens": prompt, "completion_tokens": output, **members}


def test_the_providers_counts() -> None:
    said = counts(
        prompt_tokens_details={"cached_tokens": 25},
        completion_tokens_details={"reasoning_tokens": 4},
    )
    assert reported(said, WRITTEN) == Usage(
        input_tokens=30, cached_input_tokens=25, output_tokens=20, reasoning_tokens=4
    )


@pytest.mark.parametrize(
    "said",
    [
        counts(prompt_cache_hit_tokens=25),
        counts(prompt_tokens_details=None, prompt_cache_hit_tokens=25),
        counts(prompt_tokens_details={"cached_tokens": 25}, prompt_cache_hit_tokens=25),
        counts(cache_read_input_tokens=25),
        {"promptTokenCount": 30, "candidatesTokenCount": 20, "cachedContentTokenCount": 25},
    ],
)
def test_cached_tokens_by_either_name(said: dict[str, Any]) -> None:
    usage = reported(said, WRITTEN)
    assert usage
    assert usage.cached_input_tokens == 25


@pytest.mark.parametrize(
    "said",
    [
        counts(0, 0, input_tokens=30, output_tokens=20),
        counts(input_tokens=0, output_tokens=0),
        counts(input_tokens=None, prompt_eval_count=0),
    ],
)
def test_numbers_in_the_forms_of_gateways(said: dict[str, Any]) -> None:
    assert reported(said, WRITTEN) == Usage(input_tokens=30, output_tokens=20)


def test_reasoning_that_the_provider_did_not_count_has_its_share() -> None:
    usage = reported(counts(output=40), WRITTEN._replace(text=30, reasoning=90))
    assert usage
    assert (usage.output_tokens, usage.reasoning_tokens) == (40, 30)


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        counts(output=None),
        counts(output=-1),
        counts(output=0),
        counts(output=1),  # for 80 characters
        counts(output=True),
        counts(output=20.5),
        counts(output=math.nan),
        counts(output=1e30),
        counts(prompt=10**9),
        counts(output=10**9),
        counts(completion_tokens_details={"reasoning_tokens": 10**9}),
        counts(total_tokens=10**9),
        counts(output=None, total_tokens=30),
    ],
)
def test_impossible_counts_are_not_taken(said: dict[str, Any] | None) -> None:
    assert reported(said, WRITTEN) is None


def details(reasoning: object, **members: object) -> dict[str, object]:
    return {"completion_tokens_details": {"reasoning_tokens": reasoning}, **members}


@pytest.mark.parametrize(
    ("said", "output", "reasoning", "estimated"),
    [
        # Counted in the output, as the OpenAI API does.
        (counts(output=20, total_tokens=50, **details(4)), 20, 4, False),
        (counts(output=20, **details(20)), 20, 20, False),
        # Counted beside it.
        (counts(output=20, total_tokens=50 + 300, **details(300)), 320, 300, False),
        (counts(output=20, total_tokens=50 + 4, **details(4)), 24, 4, False),
        (counts(output=20, **details(300)), 320, 300, False),
        (counts(output=20, reasoning_tokens=300), 320, 300, False),
        (counts(output=20, completion_tokens_details={"thinking_tokens": 300}), 320, 300, False),
        # In the total only.
        (counts(prompt=26, output=25, total_tokens=631), 605, 580, False),
        (counts(output=0, total_tokens=631), 601, 601, False),
        ({"prompt_tokens": 30, "total_tokens": 100}, 70, 0, False),
        ({"prompt_tokens": 30, "completion_tokens": None, "total_tokens": 631, **details(590)}, 601, 590, False),
        # Nothing to contradict.
        (counts(output=20, total_tokens=0), 20, 0, False),
        (counts(output=20, total_tokens=None, **details(None)), 20, 0, False),
        # Contradictions.
        (counts(output=20, total_tokens=40), 20, 0, True),
        (counts(output=20, total_tokens=7, **details(300)), 320, 300, True),
        (counts(output=20, total_tokens=50, **details(300)), 320, 300, True),
        (counts(output=20, total_tokens=100, **details(4)), 70, 50, True),
    ],
)
def test_hidden_reasoning_is_counted_wherever_it_stands(
    said: dict[str, Any], output: int, reasoning: int, estimated: bool
) -> None:
    assert reported(said, WRITTEN) == Usage(
        input_tokens=said["prompt_tokens"], output_tokens=output, reasoning_tokens=reasoning, estimated=estimated
    )


CACHED_BESIDE = {"input_tokens": 5, "cache_read_input_tokens": 20, "output_tokens": 20}
VERCEL = {"inputTokens": 30, "outputTokens": 320, "totalTokens": 350}
BY_TIME = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 10}


def cached(**members: object) -> dict[str, object]:
    return {"prompt_tokens_details": members}


@pytest.mark.parametrize(
    ("said", "read", "written"),
    [
        # Input, cached, put into the cache; output, reasoning. Whole floats and digits are numbers.
        ({"prompt_tokens": 30.0, "completion_tokens": 320.0, **details(300.0)}, (30, 0, 0), (320, 300)),
        (counts("30", "20"), (30, 0, 0), (20, 0)),
        (counts("30", "20", total_tokens="350"), (30, 0, 0), (320, 300)),
        (counts(total_tokens=350.0, **details("300")), (30, 0, 0), (320, 300)),
        (counts("\u0663\u0660"), (30, 0, 0), (20, 0)),
        # The same counts by two names.
        ({**counts(0, 0), "input_tokens": 30, "output_tokens": 20}, (30, 0, 0), (20, 0)),
        (counts(input_tokens=0, output_tokens=0, input_tokens_details=None), (30, 0, 0), (20, 0)),
        (counts(completion_tokens_details={}, output_tokens_details={"reasoning_tokens": 300}), (30, 0, 0), (320, 300)),
        (counts(reasoning_tokens=300, **details(0)), (30, 0, 0), (320, 300)),
        # Members that count nothing of their own.
        (counts(prompt_tokens_details=[], completion_tokens_details=[]), (30, 0, 0), (20, 0)),
        (counts(prompt_tokens_details=[{"modality": "TEXT", "tokenCount": 30}]), (30, 0, 0), (20, 0)),
        (counts(completion_tokens_details={"audio_tokens": 3, "rejected_prediction_tokens": 4}), (30, 0, 0), (20, 0)),
        (counts(output=320, **details(300), **cached(cached_tokens=None)), (30, 0, 0), (320, 300)),
        # Cached: in the input, beside it, or both.
        ({**counts(10, total_tokens=50), **cached(cached_tokens=20)}, (30, 20, 0), (20, 0)),
        (counts(num_cached_tokens=20), (30, 20, 0), (20, 0)),
        (counts(prompt_token_details={"cached_tokens": 20}), (30, 20, 0), (20, 0)),
        ({**VERCEL, "cachedInputTokens": 20, "reasoningTokens": 300}, (30, 20, 0), (320, 300)),
        # Put into the cache.
        (counts(**cached(cached_tokens=10, cache_write_tokens=15)), (30, 10, 15), (20, 0)),
        (counts(**cached(cached_tokens=10, cache_creation_tokens=15)), (30, 10, 15), (20, 0)),
        (counts(**cached(cache_creation_input_tokens=15, cache_creation=BY_TIME)), (30, 0, 15), (20, 0)),
        (
            counts(cache_creation_input_tokens=15, cache_read_input_tokens=10, **cached(cached_tokens=10)),
            *((30, 10, 15), (20, 0)),
        ),
        ({**CACHED_BESIDE, "cache_creation": BY_TIME}, (40, 20, 15), (20, 0)),
        ({**CACHED_BESIDE, "cache_creation_input_tokens": 15, "cache_creation": BY_TIME}, (40, 20, 15), (20, 0)),
        ({**CACHED_BESIDE, "cache_creation_input_tokens": None, "cache_creation": None}, (25, 20, 0), (20, 0)),
        (
            {
                "inputTokens": 5,
                "cacheReadInputTokens": 20,
                "cacheWriteInputTokens": 5,
                "outputTokens": 20,
                "totalTokens": 50,
            },
            *((30, 20, 5), (20, 0)),
        ),
        (
            {
                **VERCEL,
                "inputTokenDetails": {"cacheReadTokens": 20, "cacheWriteTokens": 5, "noCacheTokens": 5},
                "outputTokenDetails": {"textTokens": 20, "reasoningTokens": 300},
            },
            *((30, 20, 5), (320, 300)),
        ),
    ],
)
def test_each_count_is_found(said: dict[str, Any], read: tuple[int, int, int], written: tuple[int, int]) -> None:
    usage = reported(said, WRITTEN)
    assert usage == Usage(
        input_tokens=read[0],
        cached_input_tokens=read[1],
        cache_write_tokens=read[2],
        output_tokens=written[0],
        reasoning_tokens=written[1],
    )


# Of the prompt's 100 characters.
ESTIMATED_INPUT = 26


@pytest.mark.parametrize(
    ("said", "read", "written"),
    [
        # One count is missing or no number: the others hold.
        (counts(total_tokens=-1), 30, 20),
        (counts(total_tokens=math.nan), 30, 20),
        (counts(total_tokens=math.inf), 30, 20),
        (counts(total_tokens="many"), 30, 20),
        (counts(output=320, **details(-1)), 30, 320),
        (counts(output=620, **details(580), **cached(cached_tokens=-1)), 30, 620),
        (counts(prompt=30.5), ESTIMATED_INPUT, 20),
        (counts(prompt=True), ESTIMATED_INPUT, 20),
        (counts(prompt=-1, output=320, **details(300)), ESTIMATED_INPUT, 320),
        (counts(prompt="9" * 5000), ESTIMATED_INPUT, 20),
        (counts(prompt=0, output=320, **details(300)), ESTIMATED_INPUT, 320),
        ({"completion_tokens": 320, **details(300)}, ESTIMATED_INPUT, 320),
        ({"completion_tokens": 320, "total_tokens": 350, **details(300)}, 30, 320),
        # Only the total.
        ({"total_tokens": 631}, ESTIMATED_INPUT, 631 - ESTIMATED_INPUT),
        ({**counts(None, None), "total_tokens": 631}, ESTIMATED_INPUT, 631 - ESTIMATED_INPUT),
        (counts(output=-1, total_tokens=631), 30, 601),
        # Contradictions.
        (counts(**cached(cached_tokens=31)), 61, 20),
        (counts(33, total_tokens=53, citation_tokens=20_016, reasoning_tokens=300), 33, 320),
    ],
)
def test_what_cannot_be_right_is_marked_and_the_rest_counts(said: dict[str, Any], read: int, written: int) -> None:
    usage = reported(said, WRITTEN)
    assert usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (read, written, True)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"input_tokens": 30, "output_tokens": 20}, Usage(input_tokens=30, output_tokens=20)),
        ({"inputTokens": 30, "outputTokens": 20, "totalTokens": 50}, Usage(input_tokens=30, output_tokens=20)),
        ({"promptTokens": 30, "completionTokens": 20}, Usage(input_tokens=30, output_tokens=20)),
        ({"prompt_eval_count": 30, "eval_count": 20}, Usage(input_tokens=30, output_tokens=20)),
        (
            {"promptTokenCount": 30, "candidatesTokenCount": 20, "thoughtsTokenCount": 300, "totalTokenCount": 350},
            Usage(input_tokens=30, output_tokens=320, reasoning_tokens=300),
        ),
        (
            {"prompt_token_count": 30, "candidates_token_count": 20, "total_token_count": 350},
            Usage(input_tokens=30, output_tokens=320, reasoning_tokens=300),
        ),
        (
            {"input_tokens": 30, "output_tokens": 20, "thinking_tokens": 300},
            Usage(input_tokens=30, output_tokens=320, reasoning_tokens=300),
        ),
        (
            {"input_tokens": 30, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 4}},
            Usage(input_tokens=30, output_tokens=20, reasoning_tokens=4),
        ),
        (
            {
                "input_tokens": 5,
                "cache_read_input_tokens": 20,
                "cache_creation_input_tokens": 5,
                "output_tokens": 20,
            },
            Usage(input_tokens=30, cached_input_tokens=20, cache_write_tokens=5, output_tokens=20),
        ),
        (
            {
                "input_tokens": 30,
                "input_tokens_details": {"cached_tokens": 10},
                "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input_tokens=30, cached_input_tokens=10, output_tokens=20, reasoning_tokens=3),
        ),
        (counts(cached_tokens=10), Usage(input_tokens=30, cached_input_tokens=10, output_tokens=20)),
    ],
)
def test_counts_by_other_names(said: dict[str, Any], usage: Usage) -> None:
    assert reported(said, WRITTEN) == usage


def test_counts_that_come_in_parts_are_put_together() -> None:
    said = merged(None, {"prompt_tokens": 30, "completion_tokens": 1})
    said = merged(said, {"completion_tokens": 20, "prompt_tokens": None, "completion_tokens_details": {"a": 1}})
    said = merged(said, {"prompt_tokens": 0, "completion_tokens": 0, "completion_tokens_details": {"b": 2}})
    assert said == {"prompt_tokens": 30, "completion_tokens": 20, "completion_tokens_details": {"a": 1, "b": 2}}


@pytest.mark.parametrize("later", [0, 19.0, "7", -1, None, "none", math.nan, {}])
def test_a_later_count_that_says_less_changes_nothing(later: object) -> None:
    for known in (20, 20.0, "20"):
        assert reported(merged(counts(output=known), {"completion_tokens": later}), WRITTEN) == Usage(
            input_tokens=30, output_tokens=20
        )


def test_hidden_reasoning_may_leave_no_text() -> None:
    said = counts(output=5000, completion_tokens_details={"reasoning_tokens": 4990})
    assert reported(said, WRITTEN._replace(text=10, max_tokens=8000))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.dictionaries(
        st.sampled_from(["cached_tokens", "reasoning_tokens"]) | st.text(), inner, max_size=3
    ),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "prompt_cache_hit_tokens",
        "total_tokens",
        "reasoning_tokens",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
    ]
)


@given(
    st.dictionaries(NAMES, ANY | st.integers(0, 100)),
    st.builds(
        Written, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.none() | st.integers(1, 1000)
    ),
)
def test_counts_are_consistent_for_any_reply(said: dict[str, Any], written: Written) -> None:
    usage = reported(said, written)
    if usage:
        assert 0 <= usage.cached_input_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens


def test_the_adapters_own_count() -> None:
    messages = [ChatMessage(role=Role.ROLE_USER, content="12345678")]  # 3 tokens and 4 for the message
    usage = estimated(messages, prefill="1234, ", text="é" * 4, reasoning="1")
    assert usage == Usage(input_tokens=3 + 4 + 4, output_tokens=3, reasoning_tokens=1, estimated=True)
