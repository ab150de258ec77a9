"""Numbers in all the ways in which people and models write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.answers import numbers as numbers_module
from lightrouter.answers.numbers import answer_number, number_of, written
from lightrouter.answers.plain import plain, without_tex

WHOLE = [
    ("1,234", "1234"),
    ("5,000", "5000"),
    ("1,234,567", "1234567"),
    ("1,234,567.89", "1234567.89"),
    ("12,34,567", "1234567"),
    ("1 000 000", "1000000"),
    ("1\u00a0000\u00a0000", "1000000"),
    ("1\u202f000\u202f000", "1000000"),
    ("1\u2009000", "1000"),
    ("1'000'000", "1000000"),
    ("1\u2019000", "1000"),
    ("1_000_000", "1000000"),
    ("1.234.567", "1234567"),
    ("1.234.567,89", "1234567.89"),
    ("1.234,5", "1234.5"),
    ("1 234,5", "1234.5"),
    ("3,5", "3.5"),
    ("0,125", "0.125"),
    ("3,14159", "3.14159"),
    ("1.234", "1.234"),
    (".5", "0.5"),
    ("007", "7"),
    ("-3", "-3"),
    ("\u22123", "-3"),
    ("\u20133", "-3"),
    ("\uff0d3", "-3"),
    ("\u20113", "-3"),
    ("+3", "3"),
    ("$5", "5"),
    ("-$3", "-3"),
    ("$-3", "-3"),
    ("$9{,}500", "9500"),
    ("\\$9,500", "9500"),
    ("$9\\,500$", "9500"),
    ("1,\\!234,\\!567", "1234567"),
    ("\u20ac3,50", "3.5"),
    ("3 \u20ac", "3"),
    ("USD 5", "5"),
    ("5 dollars", "5"),
    ("US$1,200", "1200"),
    ("50%", "0.5"),
    ("50 %", "0.5"),
    ("50\\%", "0.5"),
    ("\uff15\uff10\uff05", "0.5"),
    ("12.5 percent", "0.125"),
    ("1/2", "0.5"),
    ("-1/3", "-1/3"),
    ("\\frac{1}{2}", "0.5"),
    ("\\dfrac12", "0.5"),
    ("$-\\frac{3}{4}$", "-0.75"),
    ("\u00bd", "0.5"),
    ("2\u00bd", "2.5"),
    ("2 1/2", "2.5"),
    ("2\\frac{1}{2}", "2.5"),
    ("3.5e3", "3500"),
    ("1E-2", "0.01"),
    ("3.5 \u00d7 10^3", "3500"),
    ("3.5 x 10^3", "3500"),
    ("3.5*10**3", "3500"),
    ("3.5 \\times 10^{3}", "3500"),
    ("3.5\\cdot10^{-3}", "0.0035"),
    ("6.02\u00d710\u00b2\u00b3", "602000000000000000000000"),
    ("10^3", "1000"),
    ("10\u207b\u00b3", "0.001"),
    ("2^10", "1024"),
    ("\u0661\u0662\u0663", "123"),
    ("\u06f1\u06f2", "12"),
    ("\u0967\u0968", "12"),
    ("\uff11\uff12", "12"),
    ("\U0001d7d2\U0001d7d0", "42"),
    ("\u0661\u066b\u0665", "1.5"),
    ("1\u066c000", "1000"),
    ("3.5 million", "3500000"),
    ("3\u4e07", "30000"),
    ("42.", "42"),
]


@pytest.mark.parametrize(("text", "value"), WHOLE)
def test_a_number_is_read_however_it_is_written(text: str, value: str) -> None:
    number = number_of(text)
    assert number is not None
    assert written(number) == value


@pytest.mark.parametrize(("text", "value"), WHOLE)
@pytest.mark.parametrize(
    "frame", ["The answer is {}", "#### {}", "\\boxed{{{}}}", "So it is {}", "Total: {} in all", "**{}**"]
)
def test_a_number_is_read_in_a_text(frame: str, text: str, value: str) -> None:
    found = answer_number(frame.format(text))
    assert found is not None
    assert written(found) == value


@pytest.mark.parametrize(
    "text", ["", "x", "1,2", "[1,2]", "1 and 2", "3-5", "v2", "2nd", "1/2/2024", "twelve", "x^2", "10-4"]
)
def test_a_text_without_a_single_number_has_none(text: str) -> None:
    if text == "1,2":
        # A decimal comma, as it stands alone.
        assert number_of(text) is not None
        return
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10-4", "4"),
        ("a range of 3\u20135", "5"),
        ("between 3 - 5", "5"),
        ("x = -3", "-3"),
        ("x = - 3", "-3"),
        ("- 3", "-3"),
        ("(-3)", "-3"),
        ("f(2)=\u22124", "-4"),
        ("#### 18", "18"),
        ("#### 1,018\n", "1018"),
        ("First 12, then 7. The answer is 42. I used 3 steps.", "42"),
        ("The answer is 42, since 6 * 7 = 42 and 5 is less", "42"),
        ("\\boxed{42} because of 3 reasons", "42"),
        ("so $\\boxed{\\frac{1}{2}}$, twice 3", "0.5"),
        ("\\boxed{x = 42}", "42"),
        ("\\boxed{\\text{42 km}} in 7 h", "42"),
        ("Answer: 5 + 3 = 8. There were 2 of them", "8"),
        ("**Final answer:** 1,234 (after 2 steps)", "1234"),
        ("Answer:\n\n42\n\nThat took 3 steps", "42"),
        ("The answer is 4. No, wait: 2. The answer is 5.", "5"),
        ("The answer is not 4 but 5", "5"),
        ("The answer isn't 4. It is 7", "7"),
        ("Die Antwort lautet 42. Das waren 3 Schritte.", "42"),
        ("La r\u00e9ponse est 3,5 apr\u00e8s 2 essais", "3.5"),
        ("La respuesta correcta es 12. Hay 3 pasos", "12"),
        ("A resposta \u00e9 7, em 2 passos", "7"),
        ("\u041e\u0442\u0432\u0435\u0442: 15. \u0428\u0430\u0433\u043e\u0432 3", "15"),
        ("\u7b54\u6848\u662f42\u3002\u5171\u75283\u6b65", "42"),
        ("\u7b54\u6848\uff1a\uff14\uff12\u3002\u5171\u75283\u6b65", "42"),
        ("\u7b54\u3048\u306f42\u3067\u3059\u30023\u56de", "42"),
        ("\uc815\ub2f5\uc740 42\uc785\ub2c8\ub2e4. 3\ub2e8\uacc4", "42"),
        ("\u0627\u0644\u0625\u062c\u0627\u0628\u0629 \u0647\u064a \u0664\u0662. \u0663 \u062e\u0637\u0648\u0629", "42"),
        ("\u0909\u0924\u094d\u0924\u0930 \u0939\u0948 \u096a\u0968. 3 \u091a\u0930\u0923", "42"),
        ("H2O and CO2 have 3", "3"),
        ("it took 20 minutes in 2024", "2024"),
        ("1. one\n2. two, so .5", "0.5"),
        ("the 3rd of 12, or 2nd", "12"),
        ("## Answer\n42\n\n(3 steps)", "42"),
        ("### Answer\n\n$42\n\nThis took 2 steps.", "42"),
        ("Answer \u2013 42, after 3 tries", "42"),
        ("ans. 42 (3 steps)", "42"),
        ("42 is the final answer. I needed 3 steps.", "42"),
        ("I got 42 as the answer in 3 steps", "42"),
        ("Das Ergebnis betr\u00e4gt 42. Es waren 3 Schritte", "42"),
        ("Le r\u00e9sultat vaut 42. Il y a 3 \u00e9tapes", "42"),
        ("Odpowied\u017a to 42. Kroki: 3", "42"),
        ("Cevap 42'dir. 3 ad\u0131m", "42"),
        ("\u0110\u00e1p s\u1ed1: 42 (3 b\u01b0\u1edbc)", "42"),
        ("\u041e\u0442\u0432\u0435\u0442 \u0440\u0430\u0432\u0435\u043d 42. \u0428\u0430\u0433\u043e\u0432 3", "42"),
        ("\u0909\u0924\u094d\u0924\u0930 42 \u0939\u0948\u0964 3 \u091a\u0930\u0923", "42"),
        ("\u0938\u0939\u0940 \u0909\u0924\u094d\u0924\u0930 \u096a\u0968 \u0939\u0948\u0964 \u0969", "42"),
        ("\u0e15\u0e2d\u0e1a \u0e54\u0e52 (\u0e53 \u0e02\u0e31\u0e49\u0e19)", "42"),
        ("La respuesta no es 5 sino 7", "7"),
        ("\u7b54\u6848\u4e0d\u662f5\uff0c\u800c\u662f7", "7"),
        ("\u7b54\u3048\u306f5\u3067\u306f\u306a\u304f7\u3067\u3059", "7"),
        ("\uc815\ub2f5\uc740 5\uac00 \uc544\ub2c8\ub77c 7\uc785\ub2c8\ub2e4", "7"),
        ("<answer>42</answer> 3 steps", "42"),
        ("<answer>\n42\n</answer>\n3 steps", "42"),
        ("[ANSWER]42[/ANSWER] 3", "42"),
        ("<final_answer>1,234</final_answer> 3", "1234"),
        ("The answer is minus 5.", "-5"),
        ("The answer is negative 5", "-5"),
        ("\u8d1f5", "-5"),
        ("\u30de\u30a4\u30ca\u30b95", "-5"),
        ("The answer is 3 \u00bd cups", "3.5"),
        ("%50", "0.5"),
        ("50 por cento", "0.5"),
        ("\u767e\u5206\u4e4b50", "0.5"),
        ("50\u30d1\u30fc\u30bb\u30f3\u30c8", "0.5"),
        ("50\ud37c\uc13c\ud2b8", "0.5"),
        ("3 Millionen", "3000000"),
        ("3 millones", "3000000"),
        ("3\uc5b5", "300000000"),
        ("3 \u043c\u0438\u043b\u043b\u0438\u043e\u043d\u0430", "3000000"),
        ("3 lakh", "300000"),
        ("5 hundred", "500"),
        ("The answer comes to 42. 3 steps.", "42"),
        ("42\n\nExplanation: 6 \u00d7 7 is 42 because 6 \u00d7 7 = 6 \u00d7 5 + 12", "42"),
        ("**42**\n\nHere is why: 6 groups of 7", "42"),
        ("\\boxed{\\frac{3}{-4}}", "-0.75"),
        ("So the answer is $\\boxed{12\\frac{1}{2}}$.", "12.5"),
        ("The answer to question 3 is 42", "42"),
        ('{"steps": 3, "Answer": "1,234", "n": 5}', "1234"),
        ("The answer is 1,234, as 3 is odd", "1234"),
        ("final answer: 1.234,50 \u20ac", "1234.5"),
        ("10 minus 5", "5"),
        ("x minus 5", "5"),
        ("It lies in 5-7", "7"),
        ("12 of version 1.2.3", "12"),
        ("12 at 192.168.1.10", "12"),
        ("7\n\n3 + 5 = 8\n\n8", "8"),
        ("That is not the answer. It is 7", "7"),
        ("5 people came at 10:30", "5"),
        ("There were 12 on 01/05/2024.", "12"),
        ("\u4eba\u53e3\u306f1\u51042000\u4e07\u4eba\u3067\u3059", "120000000"),
        ("2\ub9cc3\ucc9c", "23000"),
        ("5.2k", "5200"),
        ("$1.2k", "1200"),
        ("$1.5B", "1500000000"),
        ("\u20ac2M", "2000000"),
        ("\xa33bn", "3000000000"),
        ("5 \u2030", "0.005"),
        ("The answer is five.", "5"),
        ("\uc778\uad6c\ub294 5\ucc9c\ub9cc \uba85\uc774\ub2e4", "50000000"),
        ("3\u5343\u4e07", "30000000"),
        ("3\u767e\u4e07", "3000000"),
        ("1\u53432\u767e", "1200"),
        ("3\ub9cc 5\ucc9c\uc6d0", "35000"),
        ("$-5M", "-5000000"),
        ("-$5M", "-5000000"),
        ("6.02 * 10^{23}", "602000000000000000000000"),
        ("5m\xb2", "5"),
        ("5 m^2", "5"),
        ("5 cm\xb3", "5"),
        ("A$50", "50"),
        ("C$50", "50"),
        ("HK$50", "50"),
        ("S$50", "50"),
        ("NT$50", "50"),
        ("$5.5M", "5500000"),
        ("$5M", "5000000"),
        ("5k", "5000"),
        ("$5k", "5000"),
        ("2.5bn", "2500000000"),
        ("10\u2030", "0.01"),
        ("Answer \u2248 42 (from 3)", "42"),
        ("Answer: 3\u4e075\u5343", "35000"),
        ("Answer: 1\u51042000\u4e07", "120000000"),
        ("Answer: 42 = 6*7", "42"),
        ("I think it's 42, not 43", "42"),
        ("It is 42, not 43.", "42"),
        ("The answer is 42. Wait, no: it's 48.", "48"),
        ("The answer is 42. No, wait, 48.", "48"),
        ("The answer is 42... no wait, 48", "48"),
        ("The answer is 42? No, 48.", "48"),
        ("The answer is 42? No, it's 48.", "48"),
        ("I don't think the answer is 42. It is 48", "48"),
        ("One.", "1"),
        ("The answer is zero", "0"),
        ("The answer is one", "1"),
        ("The answer is one hundred", "100"),
        ("The answer is one hundred twenty-three", "123"),
        ("The answer is twenty one", "21"),
        ("The answer is twenty-one apples", "21"),
        ("The answer is minus five", "-5"),
        ("The answer is negative five", "-5"),
        ("Answer: seven", "7"),
        ("Answer: **Seven**", "7"),
    ],
)
def test_the_number_that_a_text_answers_with(text: str, value: str) -> None:
    found = answer_number(text)
    assert found is not None
    assert written(found) == value


@given(st.integers(-(10**15), 10**15), st.sampled_from([",", " ", "'", "_", "\u202f", "\u00a0"]))
def test_grouped_digits_are_the_number(value: int, sign: str) -> None:
    found = number_of(f"{value:,}".replace(",", sign))
    assert found is not None
    assert found.value == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_a_number_is_what_it_was_written_from(value: object) -> None:
    exact = Fraction(str(value))
    for shown in (f"{value:f}", f"{value:,f}", f"${value:,f}" if exact >= 0 else f"-${-value:,f}"):  # type: ignore[operator]  # decimals
        found = answer_number(f"After 3 steps the answer is {shown}.")
        assert found is not None
        assert found.value == exact
        again = number_of(written(found))
        assert again is not None
        assert again.value == exact


@given(st.text(max_size=300))
def test_any_text_has_a_number_or_none(text: str) -> None:
    found = answer_number(text)
    if found is not None:
        again = number_of(written(found))
        assert again is None or again.value == found.value


PARTS = [
    *"0123456789", *".,'_-+*/^%$()[]{}=:;!?&<>xXeE", "\n", "\n\n", " ", "  ", "\\", "\u00b0", "\u00d7", "\u00bd",
    "\u4e00", "10", "12", "1,234", "minus ", "USD ", "R ", "is ", "km", "m ", "c ", "st", "nd ", "rd", "th", "e5",
    "x ", " = ", "* ", "percent", " per cent", "pct", " por ciento", "million", " Billion", "trillion",
    "thousand", "tausend", "mio", "mrd", "crore", " lakh", "hundred", "hPa", "EUR", "B"
]  # fmt: skip


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_the_short_way_reads_what_the_long_one_does(text: str) -> None:
    text = without_tex(plain(text))
    carefully, at = [], 0
    while start := numbers_module._START.search(text, at):
        number, at = numbers_module._read_carefully(text, start.start(), at)
        carefully += [number] if number else []
    assert numbers_module.numbers(text) == carefully
