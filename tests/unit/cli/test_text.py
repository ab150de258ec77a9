import json

import click
import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.cli import text
from lightrouter.cli.grammar import Dollars
from lightrouter.cli.grammar import Duration as Time
from lightrouter.cli.output import print_table


def test_a_row_of_a_table_is_one_line_whatever_its_letters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "why"], [["a", "one\ntwo"], ["模型", "x" * 300], ["b", ""]])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["name  why", "a     one two", f"模型  {'x' * 300}", "b"]


def test_money_is_shown_to_the_last_nano_dollar() -> None:
    assert text.dollars(45_300) == "$0.000045300"
    assert text.dollars(12 * 10**9 + 1) == "$12.000000001"
    assert text.dollars(-1) == "-$0.000000001"


@given(st.integers(min_value=1, max_value=10**14))
def test_money_that_is_shown_can_be_typed(nanousd: int) -> None:
    assert Dollars(zero=False)(text.dollars(nanousd)) == nanousd


@pytest.mark.parametrize("typed", ["", "x", "0", "-1", "nan", "inf", "1e9", "0.0000000001"])
def test_money_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="must be"):
        Dollars(zero=False)(typed)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("1d", 86400),
        ("1e1", 10),
    ],
)
def test_durations_are_typed_as_people_write_them(typed: str, seconds: float) -> None:
    assert Time()(typed) == seconds


@pytest.mark.parametrize("typed", ["", "0", "0s", "-1", "-1m", "nan", "inf", "1e12", "m", "2 m", "2m3", "1w", "٣s"])
def test_durations_that_are_none_are_refused(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="like 90s, 2m or 1h30m"):
        Time()(typed)


def test_durations_are_in_seconds() -> None:
    assert text.seconds(Duration(seconds=1, nanos=250_000_000)) == "1.25 s"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert text.printable("a\x1b[31mb\x07\x9bc\u202ed\n\te\ud800") == "a[31mbcd\n\te"
    assert text.printable("naïve 日本 🙂") == "naïve 日本 🙂"


def test_a_text_of_one_line_has_no_second_line() -> None:
    assert text.one_line("a\r\nb\x1b[2J\n\tc \u2028d") == "a b[2J c d"


@given(st.text())
def test_json_says_the_same_without_control_characters(value: str) -> None:
    written = json.dumps({"a": value}, ensure_ascii=False, indent=1)
    shown = text.printable_json(written)
    assert json.loads(shown) == json.loads(written)
    assert text.printable(shown) == shown


def test_json_keeps_the_letters_of_all_languages() -> None:
    assert text.printable_json('"日本 🙂 \x9b \x7f \U000e0001"') == '"日本 🙂 \\u009b \\u007f \\udb40\\udc01"'
