"""The budget never grants more than the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.aggregator.prompts import synthesis_messages
from lightrouter.answers.contradictions import contradictions
from lightrouter.answers.untrusted import label, random_nonce
from lightrouter.router.budget import Budget, price
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.held import HeldStream
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.runtime.tokens import estimate_tokens, most_messages_tokens, most_tokens
from lightrouter.selector.prompts import again_messages, conversation_text, judge_messages
from lightrouter.v1.candidate_pb2 import (
    CONTINUATION_NONE,
    CONTINUATION_TRAILING,
    Candidate,
    ModelTarget,
    Partial,
    Prices,
    PromptTier,
)
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_USER,
    ChatMessage,
    Usage,
)

PRICES = st.integers(0, 10**11)


def candidate(name: str, entry: Candidate, boot: int = 2, output: int = 8) -> RouteCandidate:
    return RouteCandidate(name, entry, ModelTarget(candidate=name, address="unix:/x"), boot, output)


@st.composite
def candidates(draw: st.DrawFn) -> list[RouteCandidate]:
    found = []
    for index in range(draw(st.integers(1, 6))):
        given_price, written = draw(PRICES), draw(PRICES)
        output = draw(st.integers(1, 2000))
        entry = Candidate(
            name=f"c{index}",
            prior=draw(st.floats(0, 1)),
            continuation=draw(st.sampled_from([CONTINUATION_NONE, CONTINUATION_TRAILING])),
            prices=Prices(
                input_nanousd_per_million=given_price,
                cached_input_nanousd_per_million=draw(st.integers(0, given_price)),
                output_nanousd_per_million=written,
            ),
        )
        found.append(candidate(f"c{index}", entry, draw(st.integers(1, output)), output))
    return found


@given(
    prices=st.tuples(PRICES, PRICES, PRICES),
    read=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
    written=st.integers(0, 10**6),
)
def test_an_estimate_is_never_below_what_such_a_call_costs(
    prices: tuple[int, int, int], read: int, cached: int, written: int
) -> None:
    entry = Candidate(
        prices=Prices(
            input_nanousd_per_million=prices[0],
            cached_input_nanousd_per_million=prices[1],
            output_nanousd_per_million=prices[2],
        )
    )
    usage = Usage(input_tokens=read, cached_input_tokens=min(cached, read), output_tokens=written)
    assert cost_nanousd(entry.prices, usage) <= price(entry, read, written)


@given(candidates=candidates(), ceiling=st.integers(1, 10**10), prompt_tokens=st.integers(1, 10**5))
def test_the_budget_covers_all_boots_and_one_completion(
    candidates: list[RouteCandidate], ceiling: int, prompt_tokens: int
) -> None:
    budget = Budget(ceiling, prompt_tokens)
    least = min(map(budget.boot_cost, candidates))
    if ceiling < least:
        with pytest.raises(ServiceError, match=str(least)):
            budget.admit(candidates, "field")
        assert budget.left == ceiling
        return
    admitted = budget.admit(candidates, "field")
    assert admitted
    assert list(admitted) == [each for each in candidates if each in admitted]
    assert sum(map(budget.boot_cost, admitted)) + budget.left == ceiling
    assert budget.left >= 0
    if len(admitted) > 1:
        cut_off = [
            BootResult(each, Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", each.boot_tokens)
            for each in admitted
        ]
        assert min(map(budget.completion_cost, cut_off)) <= budget.left


@given(candidates=candidates(), ceiling=st.integers(1, 10**10), k=st.integers(1, 6), merging=st.booleans())
def test_grants_stay_within_the_ceiling(candidates: list[RouteCandidate], ceiling: int, k: int, merging: bool) -> None:
    budget = Budget(ceiling, 10)
    ranked = [
        BootResult(each, Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", each.boot_tokens)
        for each in candidates
    ]
    chosen = budget.choose(ranked, k, None, merging=merging)
    assert 1 <= len(chosen) <= k
    reserved = 0
    for booted in chosen:
        grant = budget.grant(booted) or budget.grant_rest(booted)
        assert 0 <= grant.tokens <= booted.tokens_left
        reserved += grant.reserved
    assert reserved + budget.left == ceiling
    assert budget.left >= 0


def test_everything_is_granted_without_a_ceiling() -> None:
    budget = Budget(None, 10)
    entry = Candidate(name="a", prices=Prices(output_nanousd_per_million=10**15))
    booted = BootResult(candidate("a", entry), Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", 2)
    assert budget.admit([booted.candidate], "field") == (booted.candidate,)
    assert budget.grant(booted) == (6, 0)
    assert budget.reserve(10**30)


def test_the_best_candidates_boot_if_the_budget_does_not_cover_all() -> None:
    prices = {"cheapest": 10**5, "weak": 10**6, "best": 10**6, "fair": 10**6}
    priors = {"cheapest": 0.1, "weak": 0.2, "best": 0.9, "fair": 0.5}
    pool = [
        candidate(
            name, Candidate(name=name, prior=priors[name], prices=Prices(output_nanousd_per_million=price)), 10, 20
        )
        for name, price in prices.items()
    ]
    # The cheapest route takes 3, of which its boot is 1, and one boot of the others 10.
    assert [each.name for each in Budget(13, 0).admit(pool, "f")] == ["cheapest", "best"]


def test_a_finished_draft_costs_nothing() -> None:
    budget = Budget(1, 10)
    entry = Candidate(name="a", prices=Prices(output_nanousd_per_million=10**15))
    booted = BootResult(candidate("a", entry), Partial(text="x", finish_reason=FINISH_REASON_STOP), b"", 2)
    assert budget.completion_cost(booted) == 0
    assert budget.grant(booted) == (0, 0)


def test_a_grant_has_the_tokens_that_the_budget_covers() -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**6))
    booted = BootResult(candidate("a", entry), Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", 2)
    # 10 of the prompt, 2 of the boot text and 16 that a template may add are read again.
    budget = Budget(31, 10)
    assert budget.grant(booted) is None
    assert budget.grant_rest(booted) == (3, 31)
    assert budget.left == 0
    assert budget.grant_rest(booted) == (0, 0)


def test_a_draft_written_anew_is_not_granted_if_it_would_end_before_the_boot_text() -> None:
    entry = Candidate(name="a", continuation=CONTINUATION_NONE, prices=Prices(output_nanousd_per_million=10**6))
    booted = BootResult(candidate("a", entry), Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", 2)
    assert Budget(2, 10).grant_rest(booted) == (0, 0)
    assert Budget(3, 10).grant_rest(booted) == (3, 3)


def test_a_limit_that_is_too_small_for_the_provider_is_paid_for_as_the_least_that_it_takes() -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**6))
    booted = BootResult(candidate("a", entry), Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", 2)
    learnt = {"a": 16}
    budget = Budget(100, 10, learnt)
    assert budget.boot_cost(booted.candidate) == 10 + 16
    assert budget.completion_cost(booted) == 10 + 2 + 16 + 16
    assert Budget(43, 10, learnt).grant_rest(booted) == (0, 0)
    assert Budget(44, 10, learnt).grant_rest(booted) == (6, 44)
    Budget(None, 10, learnt).learn("a", 0)
    assert Budget(100, 10, learnt).boot_cost(booted.candidate) == 10 + 2


class OpenCall:
    """A held call that goes on."""

    is_open = True


def test_an_open_call_writes_on_at_the_price_of_what_it_has_read() -> None:
    tier = PromptTier(above_input_tokens=100, input_nanousd_per_million=10**7, output_nanousd_per_million=10**8)
    prices = Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**7, tiers=[tier])
    asked = candidate("a", Candidate(name="a", prices=prices))
    cut = Partial(text="x", finish_reason=FINISH_REASON_LENGTH)
    held = cast(HeldStream, OpenCall())
    for read, written in ((100, 10), (101, 100), (0, 100)):
        booted = BootResult(asked, cut, b"", 2, input_tokens=read, held=held)
        # Nobody has counted what it read: the bound of the prompt holds.
        assert Budget(10**6, 101).completion_cost(booted) == 6 * written


def test_unspent_money_of_a_call_comes_back() -> None:
    budget = Budget(100, 10)
    assert budget.reserve(60)
    assert not budget.reserve(60)
    budget.settle(60, 25)
    assert budget.left == 75


_CONVERSATIONS = {
    "a question": [ChatMessage(role=ROLE_USER, content="What is it?" * 9)],
    "many turns": [ChatMessage(role=ROLE_USER, content="?"), ChatMessage(role=ROLE_ASSISTANT, content="!")] * 50
    + [ChatMessage(role=ROLE_USER, content="?")],
    "instructions": [ChatMessage(role=ROLE_SYSTEM, content="Be brief."), ChatMessage(role=ROLE_USER, content="質問")],
}


@pytest.mark.parametrize("asked", _CONVERSATIONS.values(), ids=_CONVERSATIONS)
@pytest.mark.parametrize("count", [2, 8, 60])
def test_a_judge_that_is_asked_again_in_both_orders_is_paid_for(count: int, asked: list[ChatMessage]) -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**6))
    judge = candidate("a", entry)
    text = "It may be that. " * 9
    partials = [BootResult(judge, Partial(text=text), b"", 36)] * count
    shown = [(label(index), text) for index in range(count)]
    first = judge_messages(conversation_text(asked), shown, random_nonce(), most_characters=16_000)
    again = again_messages(first, "x" * 1024, f"it lacks {', '.join(name for name, _ in shown)}", [n for n, _ in shown])
    read = _bytes_of(first) + _bytes_of(again)
    assert Budget(10**9, most_messages_tokens(asked)).judge_cost(judge, partials) >= 2 * (read + 1024 + 1024)


@pytest.mark.parametrize("asked", _CONVERSATIONS.values(), ids=_CONVERSATIONS)
@pytest.mark.parametrize("count", [2, 5, 64])
def test_a_synthesizer_whose_tokens_are_bytes_is_paid_for(count: int, asked: list[ChatMessage]) -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**6))
    texts = [f"The year in which the king of that country died is {1900 + number}. 王は。" for number in range(count)]
    names = [f"draft {label(index)}" for index in range(count)]
    found = [each.sentence(names) for each in contradictions(texts)]
    shown = [(label(index), text) for index, text in enumerate(texts)]
    messages = synthesis_messages(asked, shown, found, random_nonce(), most_characters=16_000)
    assert found
    cost = Budget(10**9, most_messages_tokens(asked)).merge_cost_of(
        candidate("a", entry), list(map(most_tokens, texts))
    )
    assert cost >= 2 * _bytes_of(messages) + 8 + 8


def _bytes_of(messages: Sequence[ChatMessage]) -> int:
    return sum(len(message.content.encode()) for message in messages)


def test_a_candidate_that_turns_out_to_write_anew_is_paid_for_its_whole_draft() -> None:
    # Its text is cheap to read and expensive to write again.
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**7))
    booted = BootResult(
        candidate("a", entry, boot=200, output=300), Partial(text="x", finish_reason=FINISH_REASON_LENGTH), b"", 200
    )
    assert Budget(10**9, 10).completion_cost(booted) == 10 + 300 * 10
    granted = Budget(10 + 250 * 10 + 9, 10).grant_rest(booted)
    assert granted == (50, 10 + 250 * 10)


def test_a_text_that_is_taken_over_may_have_a_token_for_each_byte() -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**6))
    taken_over = Budget(10**6, 10).grant_takeover(candidate("a", entry), "日本語 ∀∃", 3)
    assert taken_over == (5, 10 + len("日本語 ∀∃".encode()) + 5)
    dear = Candidate(name="a", prices=Prices(output_nanousd_per_million=10**6))
    anew = Budget(10**6, 10).grant_takeover(candidate("a", dear), "one two three", 3)
    assert anew == (5, 5 + estimate_tokens("one two three"))


def test_a_synthesizer_that_breaks_off_is_paid_for_going_on() -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6, output_nanousd_per_million=10**6))
    # When it is asked again, it reads everything and its own text again.
    cost = Budget(10**9, 10).merge_cost_of(candidate("a", entry, output=500), [5000, 5000])
    assert cost >= 2 * (10 + 10_000) + 500 + 500


def test_a_candidates_own_instructions_are_paid_for_too() -> None:
    entry = Candidate(name="a", fixed_input_tokens=100, prices=Prices(input_nanousd_per_million=10**6))
    told = candidate("a", entry)
    budget = Budget(10**6, 10)
    assert budget.boot_cost(told) == 10 + 4 * 100
    assert budget.merge_cost_of(told, []) >= 10 + 4 * 100
    assert budget.judge_cost(told, []) >= 10 + 4 * 100
    taken_over = budget.grant_takeover(told, "abcde", 2)
    assert taken_over is not None
    assert taken_over.reserved == 10 + 4 * 100 + 5


def test_tokens_that_a_provider_counted_are_not_bounded_by_bytes() -> None:
    entry = Candidate(name="a", prices=Prices(input_nanousd_per_million=10**6))
    partial = Partial(text="x", finish_reason=FINISH_REASON_LENGTH)
    budget = Budget(10**6, 1000)
    assert budget.completion_cost(BootResult(candidate("a", entry), partial, b"", 2)) == 1000 + 2 + 16
    assert budget.completion_cost(BootResult(candidate("a", entry), partial, b"", 2, input_tokens=250)) == 250 + 2 + 16


def test_a_judge_is_paid_for_only_where_the_cheapest_completion_still_is() -> None:
    cheap, dear = (candidate_at(price) for price in (1, 5))
    budget = Budget(100, 10)
    # The cheap one reads 10, its boot of 2 and 16 again, and writes 6 more.
    assert not budget.reserve_beside_completion(67, [dear, cheap])
    assert budget.left == 100
    assert budget.reserve_beside_completion(66, [dear, cheap])
    assert budget.left == 34


def candidate_at(price_: int) -> BootResult:
    nanousd = price_ * 10**6
    entry = Candidate(prices=Prices(input_nanousd_per_million=nanousd, output_nanousd_per_million=nanousd))
    partial = Partial(text="x", finish_reason=FINISH_REASON_LENGTH)
    return BootResult(candidate("a", entry), partial, b"", 2)
