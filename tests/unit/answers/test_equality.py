"""Which answers are the same, and which are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.equality import canonical

SAME = [
    ("4", "4.0"),
    ("-3", "\u22123", "\u20133", "\uff0d3", "-3.0", "$-3$"),
    ("50%", "0.5", "1/2", ".5", "50 %", "\u00bd", "\\frac{1}{2}", "\\dfrac12", "0,5", "5e-1", "50\\%"),
    ("\uff15\uff10\uff05", "50%"),
    ("1,000", "1000", "1 000", "1'000", "1e3", "10^3", "1,000.00", "$1{,}000$", "\uff11\uff10\uff10\uff10"),
    ("$.50", "0.5", "$0.50", "\\$.50"),
    ("$4", "4", "4 dollars"),
    ("007", "7"),
    ("(B)", "b.", "B", "**B**", "[B]", "\\text{B}", "$\\textbf{B}$", "\uff22", "\\boxed{B}", '"B"'),
    (" New  York ", "new york", "New\u00a0York.", "**New York**", "\u201cNew York\u201d", "new\u200b york"),
    ("caf\u00e9", "cafe\u0301", "CAF\u00c9"),
    ("Stra\u00dfe", "STRASSE"),
    ("[1,2]", "[1, 2]", "[ 1 , 2 ]", "[1.0, 2]"),
    ("(1, 2)", "(1,2)", "( 1, 2.0 )"),
    ("x > y", "x>y"),
    ("x\u00b2", "x^2"),
    ("1,000 km", "1000 km", "1 000 km"),
    ("true", "True", "TRUE."),
    ("'x'", "x", '"x"', "\u00abx\u00bb"),
    ("\u0967\u0968", "12", "\u0661\u0662"),
    ("yes!", "Yes"),
    ("CHF 5", "5 CHF", "5.00 CHF"),
    ("A$5", "AU$5", "AUD 5"),
    ("\u20b95", "Rs 5", "INR 5"),
    ("two", "Two.", "2"),
    ("Twenty-one", "twenty one", "21"),
    ("minus three", "-3"),
    ("one hundred and five", "105"),
    ("sqrt(2)", "\\sqrt{2}", "\u221a2", "\u221a(2)", "\\sqrt2"),
    ("3 sqrt(2)", "3\u221a2", "3\\sqrt{2}"),
    ("sqrt(x+1)", "\\sqrt{x+1}", "\u221a(x + 1)"),
    ("2n + 1", "2n+1"),
    ("\\frac{1}{2x}", "1/(2x)"),
    ("5\u2030", "0.005"),
    ("5 \u20ac", "\u20ac5", "5 EUR", "EUR 5", "5 euros"),
    ("x^{2}", "x^2", "$x^2$"),
    ("\\sqrt{2}", "\u221a2", "$\\sqrt2$"),
    ("2\\pi", "2\u03c0"),
    ("[0,\\infty)", "[0, \u221e)"),
    ("x \\le 5", "x\u22645", "x <= 5", "x\\leq 5"),
    ("3 km", "3km"),
    ("5 \u2013 7", "5-7", "5 - 7"),
    ("3\u00d74", "3*4", "3\\times 4"),
    ("42\u00b0", "42^\\circ", "$42^{\\circ}$"),
    ("\\frac{x+1}{2}", "(x+1)/2"),
    ("\\frac{\\sqrt{3}}{2}", "\u221a3/2"),
]  # fmt: skip

APART = [
    ("two apples", "2"),
    ("the two", "2"),
    ("a", "1"),
    ("third", "3"),
    ("twenty", "twenty-one"),
    ("sqrt(2)", "2"),
    ("sqrt(x+1)", "sqrt(x)+1"),
    (".5", "5"),
    ("$.50", "50"),
    ("[1, 2]", "(1, 2)"),
    ("[1, 2]", "{1, 2}"),
    ("[1, 2)", "[1, 2]"),
    ("!true", "true"),
    ("not true", "true"),
    ("\u00acx", "x"),
    ("4", "-4"),
    ("-x", "x"),
    ("+x", "-x"),
    ("50%", "50"),
    ("50%", "5"),
    ("1/2", "12"),
    ("1/2", "2/1"),
    ("1e400", "1e401"),
    ("a-b", "a/b"),
    ("1,2,3", "123"),
    ("x^2", "x2"),
    ("x\u00b2", "x2"),
    ("5!", "5"),
    ("x > y", "x < y"),
    ("a b", "ab"),
    ("C", "C++"),
    ("C#", "C"),
    (".net", "net"),
    ("5 km", "5 m"),
    ("\u20ac5", "\u00a35"),
    ("r\u00e9sum\u00e9", "resume"),
    ("1.5", "15"),
    ("1.234", "1,234"),
    ("NaN1", "nan2"),
    ("A", "B"),
    ("5-7", "57"),
    ("5-7", "5 7"),
    ("10-4", "6"),
    ("2024-01-02", "2024 1 2"),
    ("192.168.1.1", "192.168.1.10"),
    ("1.2.3", "1.23"),
    ("\\frac{x+1}{2}", "x+\\frac{1}{2}"),
    ("n!", "n"),
    ("f'", "f"),
    ("f''", "f'"),
    ("5 EUR", "5"),
    ("It costs $5", "It costs \u20ac5"),
    ("\u00a35 a day", "\u20ac5 a day"),
    ("x \\le 5", "x < 5"),
    ("\\sqrt{2}", "2"),
    ("\\infty", "-\\infty"),
    ("A$5", "US$5"),
    ("C$5", "$5"),
    ("HK$5", "$5"),
    ("R$5", "R 5"),
    ("CAD 5", "USD 5"),
    ("AUD 5", "5"),
    ("CHF 5", "5"),
    ("Rs 5", "5"),
    ("JPY 5", "CNY 5"),
    ("5 us", "5"),
    ("5 mW", "5 MW"),
    ("5 ms", "5 Ms"),
    ("5 Mb", "5 MB"),
    ("5 mHz", "5 MHz"),
    ("\\sqrt{2}x", "\\sqrt{2x}"),
    ("\\frac{1}{2x}", "\\frac{1}{2}x"),
    ("0.3...", "0.3"),
    ("0.333\u2026", "0.333"),
    ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\U0001f469\U0001f467"),
    ('5"', "5"),
    ("5k", "5"),
    ("2k", "2000"),
    ("$5M", "$5"),
    ("5\u2030", "5"),
    ("5\u2030", "5%"),
    ("3:4", "4:3"),
    ("10:30", "1030"),
]


@pytest.mark.parametrize("answers", SAME, ids=str)
def test_equal_answers_are_equal(answers: tuple[str, ...]) -> None:
    assert len({canonical(answer) for answer in answers}) == 1, {answer: canonical(answer) for answer in answers}


@pytest.mark.parametrize(("left", "right"), APART)
def test_different_answers_differ(left: str, right: str) -> None:
    assert canonical(left) != canonical(right)


@given(st.text(min_size=1, max_size=80) | st.from_regex(r"[-+]?\d{1,4}([.,/ ]\d{1,4}){0,3}%?", fullmatch=True))
def test_a_canonical_form_is_its_own(answer: str) -> None:
    once = canonical(answer)
    assert canonical(once) == once


@given(st.text(max_size=80))
def test_composition_makes_no_difference(answer: str) -> None:
    assert canonical(unicodedata.normalize("NFC", answer)) == canonical(unicodedata.normalize("NFD", answer))
