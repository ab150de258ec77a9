from pathlib import Path

import numpy as np
import pytest

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies import routed
from lightrouter.lab.policies.decision import Call, Decision
from lightrouter.lab.results.accounts import Accounts, Outcomes, Pace
from lightrouter.recording import prices
from lightrouter.recording.load import load_labelled
from lightrouter.recording.prices import Price, PriceList, PriceListError
from lightrouter.router.call_times import CallTimes
from lightrouter.runtime.tokens import count
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LEARNED
from tests import recordings

_LIST = PriceList(
    models={"a": Price(input=1, cached_input=0.1, output=2), "b": Price(input=10, output=20)},
    other=Price(input=100, output=100),
)


@pytest.fixture
def pair(tmp_path: Path) -> LabelledData:
    lines = [recordings.line("Why?", {"a": "Because of that", "b": "For no reason"})]
    recording = load_labelled(recordings.write(tmp_path / "recording.jsonl", lines))
    return LabelledData.of(recording, ("a", "b"), None)


def _booked(pair: LabelledData, decision: Decision) -> Outcomes:
    quality = np.array([[0.25, 0.75]])
    return Accounts(_LIST, Pace(first_token_s=1, tokens_per_second=10)).outcomes(pair.questions, quality, [decision])


def test_money_tokens_and_time_are_those_of_all_calls(pair: LabelledData) -> None:
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


def test_cached_tokens_cost_less_if_their_price_is_known(pair: LabelledData) -> None:
    booked = _booked(pair, Decision([[Call(0, 1000, 0, cached_tokens=900)]], 0, 1))
    assert booked.cost_usd[0] == pytest.approx((100 * 1 + 900 * 0.1) / 1e6)


def test_with_caches_a_prompt_is_read_again_at_the_cached_price(pair: LabelledData) -> None:
    boots = [Call(0, 1000, 20), Call(1, 1000, 20)]
    booked = _booked(pair, Decision([boots, [], [Call(0, 1020, 40)], []], 0, 1, boot_output_tokens=40))
    millionths = 2020 * 1 + 60 * 2 + 1000 * 10 + 20 * 20
    assert booked.cost_usd[0] == pytest.approx(millionths / 1e6)
    # Only `a` has a price for cached input, and only 20 of the 1,020 tokens are new to it.
    assert booked.cached_usd[0] == pytest.approx((millionths - 1000 * (1 - 0.1)) / 1e6)
    # A held call reads its prompt once.
    assert booked.held_cached_usd[0] == booked.held_cost_usd[0]


@pytest.mark.parametrize(
    ("prompts", "repeated"),
    [
        (["Sum up: one", "Sum up: two", "Why?"], ["Sum up: ", "Sum up: ", ""]),
        (["Translate it", "Translate it", "Translate me"], ["Translate it", "Translate it", "Translate "]),
        (["Say no", "Say no more", "Say"], ["Say no", "Say no", "Say"]),
        (["alone"], [""]),
    ],
)
def test_with_caches_the_start_that_prompts_have_in_common_is_read_at_the_cached_price(
    tmp_path: Path, prompts: list[str], repeated: list[str]
) -> None:
    lines = [recordings.line(prompt, {"a": "So.", "b": "No."}, number=n) for n, prompt in enumerate(prompts)]
    recording = load_labelled(recordings.write(tmp_path / "recording.jsonl", lines))
    judged = LabelledData.of(recording, ("a", "b"), None)
    decisions = [Decision([[Call(0, 100, 0)]], 0, 1) for _ in prompts]
    booked = Accounts(_LIST, Pace()).outcomes(judged.questions, judged.quality, decisions)
    saved = [count(start) * (1 - 0.1) / 1e6 for start in repeated]
    assert (booked.cost_usd - booked.cached_usd).tolist() == pytest.approx(saved)
    # It is of the whole recording, in whichever part of it the prompt is.
    assert judged.questions.take(np.array([0])).repeated_tokens[0] == count(repeated[0])


def test_an_answer_that_no_recording_has_is_not_measured(pair: LabelledData) -> None:
    assert np.isnan(_booked(pair, Decision([[Call(0, 1, 1)]], None, 1)).quality[0])


def test_a_stage_without_calls_takes_no_time(pair: LabelledData) -> None:
    assert _booked(pair, Decision([[], [Call(0, 1, 10)], []], 0, 1)).seconds.tolist() == [2]


def _held(tmp_path: Path, decision: Decision, seconds: dict[str, float], tokens: dict[str, int]) -> tuple[float, ...]:
    """Returns the tokens written, the tokens read, the dollars and the seconds of a decision with held boot calls."""
    lines = [recordings.line("Why?", dict.fromkeys(tokens, "one two"))]
    for model, said in lines[0]["responses"].items():  # type: ignore[attr-defined] # plain JSON
        said["output_tokens"] = tokens[model]
        said.update({"latency_s": seconds[model]} if model in seconds else {})
    recording = load_labelled(recordings.write(tmp_path / "recording.jsonl", lines))
    judged = LabelledData.of(recording, tuple(tokens), None)
    pace = Pace(first_token_s=1, tokens_per_second=10, overshoot_tokens=30)
    booked = Accounts(_LIST, pace).outcomes(judged.questions, judged.quality, [decision])
    found = (booked.held_output_tokens, booked.held_input_tokens, booked.held_cost_usd, booked.held_seconds)
    return tuple(float(each[0]) for each in found)


# Two boots of a prompt of 1,000 tokens; a judge that takes 1 + 10/10 = 2 s; b goes on for 60 tokens.
_BOOTS = [Call(0, 1000, 20), Call(1, 1000, 40)]
_JUDGE = [Call("elsewhere", 500, 10)]
_ON = [Call(1, 1040, 60)]


def test_a_held_call_reads_its_prompt_once_and_a_loser_writes_on_at_its_recorded_pace(tmp_path: Path) -> None:
    decision = Decision([_BOOTS, _JUDGE, _ON, []], 1, 1, boot_output_tokens=60)
    found = _held(tmp_path, decision, {"a": 20.0, "b": 10.0}, {"a": 200, "b": 100})
    # a writes 10 tokens a second: its boot takes 2 s. So does b: 4 s. The choice falls at 4 + 2 = 6 s.
    # a writes (6 - 2) * 10 = 40 tokens more; b's whole answer of 100 tokens takes 10 s.
    written = (20 + 40) + 100 + 10
    millionths = 1000 * 1 + 60 * 2 + 1000 * 10 + 100 * 20 + 510 * 100
    assert found == pytest.approx((written, 2500, millionths / 1e6, 10))


def test_a_loser_writes_no_more_than_its_answer(tmp_path: Path) -> None:
    decision = Decision([_BOOTS, _JUDGE, _ON, []], 1, 1, boot_output_tokens=60)
    # Of a's 25 tokens, 5 are left.
    written, *_ = _held(tmp_path, decision, {"a": 2.5, "b": 10.0}, {"a": 25, "b": 100})
    assert written == 25 + 100 + 10


def test_a_short_draft_hides_behind_the_selection(tmp_path: Path) -> None:
    decision = Decision([_BOOTS, _JUDGE, _ON, []], 1, 1, boot_output_tokens=60)
    # b's draft is there after 3 s, its boot after 1.2 s, a's boot after 2 s: the judge's 2 s decide.
    *_, seconds = _held(tmp_path, decision, {"a": 20.0, "b": 3.0}, {"a": 200, "b": 100})
    assert seconds == pytest.approx(2 + 2)


def test_an_overshoot_without_recorded_times_is_assumed(tmp_path: Path) -> None:
    decision = Decision([_BOOTS, _JUDGE, _ON, []], 1, 1, boot_output_tokens=60)
    found = _held(tmp_path, decision, {}, {"a": 200, "b": 100})
    # a boots in 1 + 2 s, b in 1 + 4 s, and the judge takes 2 s: the choice falls at 7 s.
    # a writes 30 tokens, and (7 - 3) * 10 at the assumed pace; b's answer takes 1 + 10 s.
    written = (20 + 70) + 100 + 10
    assert (found[0], found[3]) == pytest.approx((written, 11))


def test_a_draft_that_is_asked_for_later_is_a_second_call(tmp_path: Path) -> None:
    later = [Call(0, 1020, 180)]
    decision = Decision([_BOOTS, [], _ON, later, [Call("elsewhere", 100, 0)]], 1, 2, boot_output_tokens=60)
    found = _held(tmp_path, decision, {"a": 20.0, "b": 10.0}, {"a": 200, "b": 100})
    # The choice falls at 4 s: a has written 20 tokens more. Its second call takes 18 s, the merging 1 s.
    written = (20 + 20) + 100 + 180
    millionths = 1000 * 1 + 40 * 2 + 1000 * 10 + 100 * 20 + 1020 * 1 + 180 * 2 + 100 * 100
    assert found == pytest.approx((written, 3120, millionths / 1e6, 10 + 18 + 1))


def test_both_ways_are_the_same_without_a_boot_stage(pair: LabelledData) -> None:
    booked = _booked(pair, Decision([[Call(0, 100, 20), Call(1, 100, 10)], [Call(1, 130, 5)]], 1, 2))
    for key in ("output_tokens", "input_tokens", "cost_usd", "seconds"):
        assert getattr(booked, f"held_{key}").tolist() == getattr(booked, key).tolist()


def test_the_assumed_overshoot_is_what_the_router_expects() -> None:
    assert Pace().overshoot_tokens == CallTimes().overshoot_tokens("a", SELECTOR_STRATEGY_LEARNED)


def test_recorded_times_count(tmp_path: Path) -> None:
    lines = [recordings.line("Why?", {"a": "one two three four"})]
    lines[0]["responses"]["a"] |= {"latency_s": 8.0, "output_tokens": 4}  # type: ignore[index] # plain JSON
    recording = load_labelled(recordings.write(tmp_path / "recording.jsonl", lines))
    judged = LabelledData.of(recording, ("a",), None)
    booked = Accounts(_LIST, Pace()).outcomes(judged.questions, judged.quality, [Decision([[Call(0, 1, 2)]], 0, 1)])
    assert booked.seconds.tolist() == [4]


def _recorded(tmp_path: Path, **costs: float) -> LabelledData:
    """Answers of ten tokens each to a prompt of a hundred, with what they cost."""
    lines = [recordings.line("Why?", dict.fromkeys("ab", "one two"), number=number) for number in range(2)]
    for line in lines:
        for model, said in line["responses"].items():  # type: ignore[attr-defined] # plain JSON
            said.update({"input_tokens": 100, "output_tokens": 10})
            said.update({"cost_usd": costs[model]} if model in costs else {})
    return LabelledData.of(load_labelled(recordings.write(tmp_path / "recording.jsonl", lines)), ("a", "b"), None)


def test_a_recorded_cost_counts_and_its_share_for_a_part(tmp_path: Path) -> None:
    judged = _recorded(tmp_path, a=0.5)
    half = Call(0, 100, 10, cached_tokens=100)
    calls = [Call(0, 100, 10), Call(0, 100, 0), half, Call(1, 100, 10)]
    booked = Accounts(_LIST, Pace()).outcomes(judged.questions, judged.quality[:1], [Decision([calls], 0, 1)])
    listed = (100 * 10 + 10 * 20) / 1e6
    assert booked.cost_usd[0] == pytest.approx(0.5 + 0.5 * 100 / 120 + 0.5 * 30 / 120 + listed)
    assert judged.questions.costed == ["a"]


def test_a_recorded_cost_of_a_model_without_price_is_shared_by_tokens(tmp_path: Path) -> None:
    judged = _recorded(tmp_path, a=0.5)
    free = PriceList(other=Price(input=0, output=0))
    booked = Accounts(free, Pace()).outcomes(
        judged.questions, judged.quality[:1], [Decision([[Call(0, 100, 10), Call(0, 50, 5)]], 0, 1)]
    )
    assert booked.cost_usd[0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("costs", "costed"),
    [
        ({}, []),
        ({"a": 0.0, "b": 0.0}, []),
        ({"b": 0}, []),
        ({"a": 0.0, "b": 0.5}, ["a", "b"]),
        ({"a": 0.5}, ["a"]),
    ],
)
def test_costs_of_a_pool_without_prices_are_unknown_and_not_zero(
    tmp_path: Path, costs: dict[str, float], costed: list[str]
) -> None:
    judged = _recorded(tmp_path, **costs)
    assert judged.questions.costed == costed
    calls = [Call(0, 100, 10), Call(1, 100, 10)]
    booked = Accounts(_LIST, Pace()).outcomes(judged.questions, judged.quality[:1], [Decision([calls], 0, 1)])
    listed = {"a": (100 * 1 + 10 * 2) / 1e6, "b": (100 * 10 + 10 * 20) / 1e6}
    known = {model: costs[model] for model in costed}
    assert booked.cost_usd[0] == pytest.approx(sum((listed | known).values()))


def test_the_readers_own_price_counts_more_than_a_recorded_cost(tmp_path: Path) -> None:
    judged = _recorded(tmp_path, a=0.5)
    path = tmp_path / "prices.yaml"
    path.write_text("models: {A: {input: 1, output: 2}}")
    booked = Accounts(prices.load(path), Pace()).outcomes(
        judged.questions, judged.quality[:1], [Decision([[Call(0, 100, 10)]], 0, 1)]
    )
    assert booked.cost_usd[0] == pytest.approx((100 * 1 + 10 * 2) / 1e6)


def test_assumptions_are_stated(tmp_path: Path) -> None:
    shipped = prices.load()
    assert not list(shipped.complaints(["Gemini-1.5-Flash-002", "mine"], ["mine"]))
    (said,) = shipped.complaints(["gemini-1.5-flash-002", "mine", "yours"], ["yours"])
    assert said.startswith("No price is known of mine: $0.2 per million tokens read and $0.2 written are assumed")
    path = tmp_path / "prices.yaml"
    path.write_text("models: {Mine: {input: 1, output: 2}, mein: {input: 1, output: 2}}")
    own = prices.load(path)
    assert list(own.complaints(["mine"], [])) == ["--prices names mein, which the recording does not have."]
    assert own.of("MINE").output == 2
    path.write_text("other: {input: 1, output: 2}")
    assert not list(prices.load(path).complaints(["mine"], []))


def test_each_shipped_price_has_a_source() -> None:
    shipped = prices.load()
    assert len(shipped.models) == 13
    for price in [*shipped.models.values(), shipped.other]:
        assert price.source
        assert price.note or price.source != "assumed"


def test_a_machine_of_ones_own_costs_the_time_of_its_tokens(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(
        "machines: {Mine: {usd_per_hour: 3.6, input_tokens_per_second: 10000, output_tokens_per_second: 500}}\n"
        "models: {other: {input: 1, output: 2}}"
    )
    found = prices.load(path)
    price = found.of("mine")
    # A tenth of a cent a second: a million tokens take 100 s to read and 2,000 s to write.
    assert (price.input, price.cached, price.output) == pytest.approx((0.1, 0.0, 2.0))
    assert found.given("mine")
    assert price.source == "$3.6 an hour, assumed"
    assert not list(found.complaints(["mine", "other"], []))


def test_the_example_of_machines_can_be_used() -> None:
    found = prices.load(Path("examples/prices/machines.yaml"))
    for model in found.own:
        price = found.of(model)
        assert price.cached < price.input < price.output
        assert price.note


@pytest.mark.parametrize("usd", [0.0, 0.001, 1 / 3, 2.5 / 3600 * 1e6 / 2800, 123.4567890123, 9999.999999999])
def test_a_price_of_any_precision_is_one_of_a_pool(usd: float) -> None:
    listed = PriceList(other=Price(input=usd, output=usd))
    (entry,) = routed.entries(["a"], [0.5], listed)
    assert entry.prices.input == pytest.approx(1e9 * usd, abs=1)


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
        ("models: {mine: {input: .inf, output: 2}}", "models.mine.input"),
        ("models: {mine: {input: .nan, output: 2}}", "models.mine.input"),
        ("models: {mine: {input: -.inf, output: 2}}", "models.mine.input"),
        ("models: {mine: {input: true, output: 2}}", "models.mine.input"),
        ("models: {mine: {input: $2, output: 2}}", "models.mine.input"),
        ("models: {mine: {input: 1, output: 2, cached_input: .inf}}", "models.mine.cached_input"),
        ("other: {input: .inf, output: 2}", "other.input"),
        # Prices of one token, and of a thousand million.
        ("models: {mine: {input: 0.00000015, output: 0.0000006}}", "is it the price of one token"),
        ("models: {mine: {input: 1.5e-7, output: 2}}", "models.mine.input"),
        ("models: {mine: {input: 1, output: 2, cached_input: 0.0000001}}", "is it the price of one token"),
        ("models: {mine: {input: 150000, output: 2}}", "is too much for US dollars per million tokens"),
        ("models: {mine: {input: 1, output: 2}, Mine: {input: 1, output: 3}}", "one is named twice"),
        (
            """
            machines: {Mine: {usd_per_hour: 1, input_tokens_per_second: 99, output_tokens_per_second: 9}}
            models: {mine: {input: 1, output: 2}}
            """,
            "one is named twice",
        ),
        (
            "machines:\n  mine: {usd_per_hour: 0, input_tokens_per_second: 9}",
            r"yaml:2: machines.mine.usd_per_hour: mu",
        ),
        ("machines: {mine: {usd_per_hour: 1, input_tokens_per_second: 9}}", "output_tokens_per_second: is required"),
        (
            "machines: {mine: {usd_per_hour: 1, input_tokens_per_second: 9.0e+20, output_tokens_per_second: 9}}",
            "machines.mine: is no likely machine",
        ),
        (
            "machines: {mine: {usd_per_hour: 9999, input_tokens_per_second: 9, output_tokens_per_second: 1}}",
            "a million tokens would cost 308611 US dollars",
        ),
        (
            "models: {mine: {input: 1, output: 2}, mine: {input: 1, output: 3}}",
            r"yaml:1: models.mine: stands here twice",
        ),
        ("models:\n  mine: {input: .nan, output: 2}", r"yaml:2: models.mine.input: must be a number"),
        ("models:\n  mine: {input: true, output: 2}", r"yaml:2: models.mine.input: must be a number"),
        ("models:\n  mine: {input: '$1', output: 2}", r"yaml:2: models.mine.input: must be a number"),
        ("models:\n  mine: {input: 1:30, output: 2}", r"yaml:2: models.mine.input: must be a number"),
        ("models:\n  mine: {input: -1, output: 2}", r"yaml:2: models.mine.input: must be greater"),
        ("models:\n  mine: {input: 1}", r"yaml:2: models.mine.output: is required"),
        ("models:\n  mine: {input: 1, outputs: 2}", r"yaml:2: models.mine.output: is required"),
        ("modells: {}", r"yaml:1: modells: is not a known key; did you mean models\?"),
        ("models:\n  mine: {input: 1, output: 2, nots: x}", r"yaml:2: models.mine.nots: .* did you mean note\?"),
        ("other: {input: 1, output: 2, nots: x}", r"yaml:1: other.nots: is not a known key; did you mean note\?"),
        ("models: {5: {input: 1, output: 2}}", r"yaml:1: models: a key here is not text"),
        ("models: [mine]", "models"),
        ("just words", r"yaml:1: must have `models`"),
        ("[" * 2_000, r"yaml:1: the file is nested too deeply"),
        ("- a\n- b", r"yaml:1: must have `models`"),
        ("{", r"yaml:1: not valid YAML"),
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
