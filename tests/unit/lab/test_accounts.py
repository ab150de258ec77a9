from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab import prices
from lightrouter.lab.accounts import Accounts, Outcomes, Pace
from lightrouter.lab.decision import Call, Decision
from lightrouter.lab.prices import Price, PriceList, PriceListError
from lightrouter.lab.questions import Judged
from lightrouter.recording.load import load_labelled
from tests import recordings

_LIST = PriceList(
    models={"a": Price(input=1, cached_input=0.1, output=2), "b": Price(input=10, output=20)},
    other=Price(input=100, output=100),
)


@pytest.fixture
def pair(tmp_path: Path) -> Judged:
    lines = [recordings.line("Why?", {"a": "Because of that", "b": "For no reason"})]
    recording = load_labelled(recordings.write(tmp_path / "recording.jsonl", lines))
    return Judged.of(recording, ("a", "b"), None)


def _booked(pair: Judged, decision: Decision) -> Outcomes:
    quality = np.array([[0.25, 0.75]])
    return Accounts(_LIST, Pace(first_token_s=1, tokens_per_second=10)).outcomes(pair.questions, quality, [decision])


def test_money_tokens_and_time_are_those_of_all_calls(pair: Judged) -> None:
    boots = [Call(0, 1000, 20), Call(1, 1000, 10)]
    on = [Call(1, 1100, 40, cached_tokens=100)]
    judge = [Call("elsewhere", 10_000, 0)]
    booked = _booked(pair, Decision([boots, judge, on], 1, 1, boot_output_tokens=30))
    assert booked.quality.tolist() == [0.75]
    assert booked.output_tokens.tolist() == [70]
    assert booked.input_tokens.tolist() == [13_100]
    millionths = 1000 * 1 + 20 * 2 + 1000 * 10 + 10 * 20 + 10_000 * 100 + 1000 * 10 + 100 * 10 + 40 * 20
    assert booked.cost_usd[0] == pytest.approx(millionths / 1e6)
    # Boots side by side, then the judge, then the rest.
    assert booked.seconds.tolist() == [(1 + 2) + 1 + (1 + 4)]
    assert booked.boot_output_tokens.tolist() == [30]
    assert booked.k.tolist() == [1]


def test_what_is_read_from_a_cache_costs_less_where_a_price_says_so(pair: Judged) -> None:
    booked = _booked(pair, Decision([[Call(0, 1000, 0, cached_tokens=900)]], 0, 1))
    assert booked.cost_usd[0] == pytest.approx((100 * 1 + 900 * 0.1) / 1e6)


def test_an_answer_that_no_recording_has_is_not_measured(pair: Judged) -> None:
    assert np.isnan(_booked(pair, Decision([[Call(0, 1, 1)]], None, 1)).quality[0])


def test_a_stage_without_calls_takes_no_time(pair: Judged) -> None:
    assert _booked(pair, Decision([[], [Call(0, 1, 10)], []], 0, 1)).seconds.tolist() == [2]


def test_recorded_times_count(tmp_path: Path) -> None:
    lines = [recordings.line("Why?", {"a": "one two three four"})]
    lines[0]["responses"]["a"] |= {"latency_s": 8.0, "output_tokens": 4}  # type: ignore[index] # plain JSON
    recording = load_labelled(recordings.write(tmp_path / "recording.jsonl", lines))
    judged = Judged.of(recording, ("a",), None)
    booked = Accounts(_LIST, Pace()).outcomes(judged.questions, judged.quality, [Decision([[Call(0, 1, 2)]], 0, 1)])
    assert booked.seconds.tolist() == [4]


def test_each_shipped_price_has_a_source() -> None:
    shipped = prices.load()
    assert len(shipped.models) == 13
    for price in [*shipped.models.values(), shipped.other]:
        assert price.source
        assert price.note or price.source != "assumed"


def test_a_list_of_ones_own_goes_over_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("models: {mine: {input: 1, output: 2, source: contract}}")
    loaded = prices.load(path)
    assert loaded.of("mine").output == 2
    assert loaded.of("gemini-1.5-flash-002").output == 0.3
    assert loaded.of("unheard of") == loaded.other


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: {mine: {input: -1, output: 2}}", "models.mine.input"),
        ("models: {mine: {in: 1, output: 2}}", "models.mine"),
        ("- a\n- b", "cannot be read as a price list"),
        ("{", "cannot be read as a price list"),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(PriceListError, match=said):
        prices.load(path)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriceListError, match="cannot be read"):
        prices.load(tmp_path / "none.yaml")
