from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.selector.verdict import Points, UnreadableError, parse

GOOD = '{"A": {"consistency": 10, "correctness": 5}, "B": {"consistency": 0, "correctness": 2.5}}'
POINTS = {"A": Points(1.0, 0.5), "B": Points(0.0, 0.25)}


@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Let me think {{about}} it.\n{GOOD}\nThat is my {{verdict}}.",
        f'For example {{"A": 1}}. {GOOD}',
        GOOD.replace("5}", '5, "why": "ok {"}', 1),
        f"{GOOD.replace('10', '3')} no, rather {GOOD}",
    ],
)
def test_a_verdict_is_read_with_anything_around_it(reply: str) -> None:
    assert parse(reply, ["A", "B"]) == POINTS


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no JSON object"),
        ("A is better than B", "no JSON object"),
        ('{"A": {"consistency": 1, "correctness": 1}}', "lacks B"),
        (GOOD.replace('"B"', '"C"'), "keys that are no answer's letter"),
        (GOOD[:-1] + ', "C": {"consistency": 1, "correctness": 1}}', "keys that are no answer's letter"),
        (GOOD.replace("10", "11"), "not within 0 to 10"),
        (GOOD.replace("10", "-1"), "not within 0 to 10"),
        (GOOD.replace("10", "NaN"), "no number"),
        (GOOD.replace("10", "Infinity"), "no number"),
        (GOOD.replace("10", "true"), "no number"),
        (GOOD.replace("10", '"10"'), "no number"),
        (GOOD.replace('"consistency": 10, ', ""), "no number"),
        ('{"A": 7, "B": 8}', "value of A is no object"),
        (GOOD.replace('"B"', '"A"'), "repeated"),
        (GOOD[:-2], "broken"),
        ('{"A": ' * 10_000, "broken"),
    ],
)
def test_what_is_no_verdict_says_why(reply: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        parse(reply, ["A", "B"])


@given(st.text() | st.text(st.sampled_from('{}[]":,0AB\\ue')))
def test_any_text_is_a_verdict_or_unreadable(reply: str) -> None:
    try:
        points = parse(reply, ["A", "B"])
    except UnreadableError:
        return
    assert set(points) == {"A", "B"}


_SCALE = st.integers(0, 10) | st.floats(0, 10)


@given(st.text(), st.tuples(_SCALE, _SCALE), st.text(st.characters(exclude_characters="{")))
def test_any_points_on_the_scale_are_read(before: str, points: tuple[float, float], after: str) -> None:
    reply = json.dumps({"A": {"consistency": points[0], "correctness": points[1]}})
    padded = before.replace("{", "") + reply + after
    assert parse(padded, ["A"])["A"] == Points(points[0] / 10, points[1] / 10)
