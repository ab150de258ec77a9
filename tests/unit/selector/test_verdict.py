from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.selector.verdict import Points, UnreadableError, parse

GOOD = '{"A": {"consistency": 10, "correctness": 5}, "B": {"consistency": 0, "correctness": 2.5}}'
LISTED = """[{"answer": "A", "consistency": 10, "correctness": 5},
{"answer": "B", "consistency": 0, "correctness": 2.5}]"""
BAD = GOOD.replace("10", "3").replace("2.5", "9")
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
        (GOOD.replace("10", '"ten"'), "no number"),
        (GOOD.replace("10", '"7-8"'), "no number"),
        (GOOD.replace("10", '"1e1"'), "no number"),
        (GOOD.replace("10", '"11/10"'), "not within 0 to 10"),
        (GOOD.replace("10", '"120 %"'), "not within 0 to 10"),
        (GOOD.replace("10", "1" + "0" * 400), "no number"),
        (GOOD.replace("10", '"8/0"'), "no number"),
        (GOOD[:-1] + ', "a": {"consistency": 1, "correctness": 1}}', "repeated"),
        (GOOD.replace("{", '{"Consistency": 1, ', 2).replace('{"Consistency": 1, ', "{", 1), "repeated"),
        (GOOD.replace('"B"', '"C"') + " B is better", "keys that are no answer's letter"),
        (GOOD.replace('"consistency": 10, ', ""), "no number"),
        ('{"A": 7, "B": 8}', "value of A is no object"),
        (GOOD.replace('"B"', '"A"'), "repeated"),
        (GOOD[:-2], "broken"),
        (LISTED[:-2], "broken"),
        (GOOD.replace("10", '"4 (out of 5)"'), "no number"),
        (GOOD.replace("10", "8, 9"), "broken"),
        (GOOD.replace("10", "7-8"), "no number"),
        (GOOD.replace("}, ", "}}\n{").replace('"B"', '"A"'), "repeated|lacks"),
        (GOOD.replace("5}", '5, "correctness": 6}', 1), "repeated"),
        # It ends within a second verdict.
        (f"{GOOD}\nWait, actually {GOOD[:60]}", "broken"),
        (f"{GOOD} {GOOD[:-1]}", "broken"),
        (GOOD[:-1], "broken"),
        # One answer too many, or letters of another list.
        (GOOD[:-1] + ', "C": [1, 2]}', "keys that are no answer's letter"),
        (GOOD.replace("A", "\u0410").replace("B", "\u0411"), "keys that are no answer's letter"),
        (GOOD.replace("A", "1").replace("B", "2"), "lacks A, B"),
        ('{"A": {}, "B": {}}', "no number"),
        ('{"winner": "A"}', "lacks A, B"),
        # One answer's points twice.
        (GOOD[:-1] + ', "a_correctness": 9}', "repeated"),
        ('{"A_correctness": 5, "A correctness": 6, "A_consistency": 1}', "repeated"),
        (GOOD[:-1] + ', "answer a": {"consistency": 1, "correctness": 1}}', "repeated"),
        # Points that are none, or several.
        (GOOD.replace("10", "null"), "no number"),
        (GOOD.replace("10", '"-10"'), "no number"),
        (GOOD.replace("10", '"A+"'), "no number"),
        (GOOD.replace("10", '"not 10"'), "no number"),
        (GOOD.replace("10", '"4 or 6"'), "no number"),
        (GOOD.replace("10", '"4..6"'), "no number"),
        (GOOD.replace("10", '"1,000"'), "no number"),
        (GOOD.replace("10", '"2,500"'), "no number"),
        (GOOD.replace("10", '"3 errors"'), "no number"),
        (GOOD.replace("10", '"5/10/20"'), "no number"),
        (GOOD.replace("10", '"5 (2 of them)"'), "no number"),
        (GOOD.replace("10", "1e999"), "no number"),
        (GOOD.replace("10", "100"), "not within"),
        ('{"A": ' * 10_000, "broken"),
        ("{" * 9_000 + "}" * 9_000, "broken|lacks"),
        ("[[{" * 3_000 + "}]]" * 3_000, "broken|lacks"),
    ],
)
def test_an_unreadable_verdict_says_why(reply: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        parse(reply, ["A", "B"])


@pytest.mark.parametrize(
    "reply",
    [
        GOOD.replace("5}", "5,}").replace("}}", "},}"),
        GOOD.replace("10", '"10"'),
        GOOD.replace("10", '"10/10"').replace("2.5", '"25 %"'),
        GOOD.replace("10", '" 10 "').replace("2.5", '"2,5"'),
        GOOD.replace("10", '"10 out of 10"').replace(": 5", ': "5 points"'),
        GOOD.replace("10", '"\uff11\uff10"'),
        GOOD.replace('"A"', '"a"').replace('"B"', '"b"'),
        GOOD.replace('"A"', '"\uff21"').replace('"B"', '"(B)"'),
        GOOD.replace('"A"', '"Answer A"').replace('"B"', '"answer_b"'),
        GOOD.replace("consistency", "Consistency").replace("correctness", " CORRECTNESS"),
        GOOD[:-1] + ', "reasoning": "A is {right"}',
        GOOD[:-1] + ', "best": "A", "C": "there is none"}',
        '{"thoughts": {"A": "fine"}, ' + GOOD[1:],
        f'{{"scores": {GOOD}}}',
        GOOD.replace('"', "'"),
        GOOD.replace('"A"', "A").replace('"consistency"', "consistency"),
        GOOD.replace("5}", "5} // as I see it\n", 1),
        LISTED,
        f'{{"answers": {LISTED}}}',
        LISTED.replace('"answer"', '"Letter"').replace('"A"', '"Answer A"'),
        GOOD + " [1, 2]",
        GOOD + ' It is {"not": "B"}.',
        f"It's 5\" {GOOD} that's it",
        "First {[x then: " + GOOD,
        GOOD.replace("{", "{\n", 1).replace('"B"', '\n\t"B"'),
        GOOD.replace("10", "10/10").replace(": 5", ": 50 %").replace("2.5", "2.5 out of 10"),
        GOOD.replace("10", "+10").replace(": 5", ": 05").replace("2.5", "02.5"),
        GOOD.replace("10", "\uff11\uff10").replace(": 5", ": \u0665"),
        GOOD.replace("10", '"10 (very)"').replace(": 5", ': "5pts"'),
        GOOD.replace("10", "10 /* all of it */").replace(": 5", ": 5 # half\n"),
        GOOD.replace('"A"', "\u201cA\u201d").replace('"B"', "\u201eB\u201c"),
        GOOD.replace(" ", "\u00a0").replace("A", "A\u200b"),
        GOOD.replace('"A"', '"Draft A"').replace('"B"', '"partial_b"'),
        GOOD.replace('"A"', '"A (the first)"'),
        GOOD.replace("consistency", "consistency_score").replace("correctness", "Correctness (0-10)"),
        GOOD.replace("consistency", "consistent").replace("correctness", "correct"),
        GOOD.replace("5}", '5, "correct": true}', 1),
        GOOD.replace("10", '{"score": 10, "reason": "all of it"}'),
        GOOD.replace("}, ", "}\n"),
        GOOD.replace("10, ", "10\n"),
        GOOD.replace("}, ", "}}\n{"),
        f"[{GOOD.replace('}, ', '}}, {')}]",
        '{"consistency": {"A": 10, "B": 0}, "correctness": {"A": 5, "B": 2.5}}',
        json.dumps(GOOD),
        json.dumps({key: json.dumps(value) for key, value in json.loads(GOOD).items()}),
        f"{{{GOOD}}}",
        f"\ufeff{GOOD}",
        # Thoughts and other verdicts before it, templates and remarks behind it.
        f"<think>{BAD} hmm {{A}}</think>\n{GOOD}",
        f"<think>maybe {{ or </think>\n{GOOD}",
        f"First: {BAD}\nOn reflection: {GOOD}",
        f'{GOOD}\nThe format was {{"A": {{"consistency": <0-10>, "correctness": <0-10>}}, ...}}',
        f"{GOOD} :-{{",
        f"{GOOD}}}",
        f"~~~json5\n{GOOD}\n~~~",
        f"\\boxed{{{GOOD}}}",
        # Marks of other scripts.
        GOOD.replace("{", "\uff5b").replace("}", "\uff5d"),
        GOOD.replace(": ", "\uff1a"),
        GOOD.replace(", ", "\uff0c"),
        GOOD.replace(", ", "\u3001"),
        GOOD.replace('"', "\uff02"),
        GOOD.replace('{"', "{\u300c").replace(', "', ", \u300c").replace('"', "\u300d"),
        GOOD.replace('{"', "{\u00ab").replace(', "', ", \u00ab").replace('"', "\u00bb"),
        # Letters of other scripts that look the same.
        GOOD.replace("A", "\u0410").replace("B", "\u0412"),
        GOOD.replace("A", "\u0391").replace("B", "\u0392"),
        GOOD.replace("A", "\u24b6").replace("B", "\u24b7"),
        GOOD.replace('"A"', '"\u200fA\u200e"').replace('"B"', '"<B>"'),
        GOOD.replace('"A"', '"The answer A"').replace('"B"', '"**B**"'),
        # Other notations.
        GOOD.replace('"', "`"),
        GOOD.replace('"', '\\"'),
        GOOD.replace('"', "&quot;"),
        GOOD.replace(", ", "; "),
        GOOD.replace(": ", " = "),
        GOOD.replace(": ", " => "),
        GOOD.replace("5}", "5, /* half of it */ }", 1),
        GOOD.replace("5}", "5, # half of it\n}", 1),
        GOOD[:-1] + ", 'valid': True, 'note': None}",
        GOOD[1:-1],
        f"```\n{GOOD[1:-1]}\n```",
        # Other places of the letters and the points.
        '{"A_consistency": 10, "A_correctness": 5, "B_consistency": 0, "B_correctness": 2.5}',
        '{"Answer A: consistency": 10, "Answer A: correct": 5, "b-consistency-score": 0, "b.correctness": 2.5}',
        GOOD.replace('": {"', '": {"scores": {"').replace("}", "}}").replace("}}}}", "}}}"),
        f'{{"result": {{"scores": {GOOD}}}, "status": "ok"}}',
        GOOD[:-1] + ', "overall": 7, "ranking": ["B", "A"]}',
        # Other forms of the points.
        GOOD.replace("10", "100%").replace("2.5", "25 percent"),
        GOOD.replace("10", '"5/5"').replace("2.5", '"0.5 of 2"'),
        GOOD.replace("10", '"10 stars"').replace(": 5", ': "~5"'),
        GOOD.replace("10", '"score: 10"').replace(": 5", ': "5 - half of it is right"'),
        GOOD.replace("10", "1e1").replace(": 5", ": 005"),
        GOOD.replace(": 0", ": -0.0"),
    ],
)
def test_a_verdict_is_read_in_any_form_that_means_it(reply: str) -> None:
    assert parse(reply, ["A", "B"]) == POINTS


def test_an_extra_key_with_a_line_end_in_its_text_does_no_harm() -> None:
    assert parse(GOOD[:-1] + ', "why": "one\ntwo\tthree",}', ["A", "B"]) == POINTS


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


_VERDICT = '{"A": {"consistency": 8, "correctness": 9}}'


@pytest.mark.parametrize("behind", ["", '"]', '"}', "]", "}", ' and so on"'])
@pytest.mark.parametrize(
    "before",
    [
        *('["', '[ "', '["\n', '[[ "', '["x', '["a", "', "['", "[\u201c", '[5" x 3"', '[Note: "', '[1] He said "'),
        *('{"', '{"x', '{"verdict": "', '{"reason": "it is "good"", "verdict": ', '```json\n["', '<["', "{'"),
    ],
)
def test_a_verdict_behind_a_quote_that_nothing_closes_is_read(before: str, behind: str) -> None:
    for verdict in (_VERDICT, json.dumps(_VERDICT)[1:-1]):
        assert parse(f"{before}{verdict}{behind}", ["A"])["A"] == Points(0.8, 0.9)


@pytest.mark.parametrize(
    "reply",
    [
        "A: consistency 8, correctness 9\nB: consistency 7, correctness 6",
        "Answer A: consistency: 8/10, correctness: 9/10\nAnswer B: consistency: 7/10, correctness: 6/10",
        "Scores:\n\n- **A** - consistency (0-10): 8, correctness: 9\n- **B** - consistency: 7, correctness (0-10): 6",
        "A:\n  consistency: 8\n  correctness: 9\nB:\n  consistency: 7\n  correctness: 6",
        "**Answer A**\n- Consistency: 8\n- Correctness: 9.0\n\n**Answer B**\n- Consistency: 7.0\n- Correctness: 6",
        "A) consistency = 8; correctness = 9\nB) consistency = 7; correctness = 6",
    ],
)
def test_a_verdict_in_lines_is_read(reply: str) -> None:
    assert parse(reply, ["A", "B"]) == {"A": Points(0.8, 0.9), "B": Points(0.7, 0.6)}


@pytest.mark.parametrize(
    "reply",
    [
        "A: consistency 8, correctness 9",
        "A: consistency 8, correctness 9\nB: consistency 7",
        "A: consistency 8, correctness 9\nB: consistency 7, correctness 60",
        "A: consistency 8, correctness 9\nA: consistency 1, correctness 1\nB: consistency 7, correctness 6",
        "A is of good consistency, 8 of 9, and its correctness is fine. B too.",
    ],
)
def test_lines_that_are_no_whole_verdict_are_not_read(reply: str) -> None:
    with pytest.raises(UnreadableError):
        parse(reply, ["A", "B"])


@pytest.mark.parametrize(
    "reply",
    [
        # The last verdict counts, and it is not whole.
        f'["{_VERDICT}, then {{"A": {{"consistency": 1',
        f'["{_VERDICT} {{',
        # It is not said which of two values counts.
        '["{"A": {"consistency": 8, "correctness": 9}, "A": {"consistency": 1, "correctness": 1}}',
    ],
)
def test_a_verdict_before_one_that_is_broken_is_not_read(reply: str) -> None:
    with pytest.raises(UnreadableError):
        parse(reply, ["A"])
