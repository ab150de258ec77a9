"""Words of every script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.scripts import ascii_digits, pairs, shadow
from lightrouter.answers.tokens import read
from lightrouter.learned.words import hashed_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("big dog", ["big", "dog"]),
        # Marks stay with their letters: Devanagari, Arabic, Hebrew, Tamil, Latin that is not composed.
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u0938\u0939\u0940\u0964",
            ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u0938\u0939\u0940"],
        ),
        ("\u0643\u064e\u062a\u064e\u0628\u064e", ["\u0643\u064e\u062a\u064e\u0628\u064e"]),
        ("\u05e8\u05b7\u05d1", ["\u05e8\u05b7\u05d1"]),
        ("\u0ba4\u0bae\u0bbf\u0bb4\u0bcd", ["\u0ba4\u0bae\u0bbf\u0bb4\u0bcd"]),
        ("nai\u0308ve", ["na\u00efve"]),
        # Joiners stay inside, as in Persian.
        ("\u0645\u06cc\u200c\u0631\u0648\u0645", ["\u0645\u06cc\u200c\u0631\u0648\u0645"]),
        # Scripts without spaces: Han, Kana, Thai, Lao, Khmer, Burmese, and Hangul for its particles.
        ("\u4ed6\u662f\u533b\u751f", ["\u4ed6\u662f", "\u662f\u533b", "\u533b\u751f"]),
        ("\u4ed6", ["\u4ed6"]),
        ("\u732b\u3067\u3059\u3002\u72ac", ["\u732b\u3067", "\u3067\u3059", "\u72ac"]),
        ("\u0e14\u0e35\u0e21\u0e32\u0e01", ["\u0e14\u0e35\u0e21", "\u0e21\u0e32", "\u0e32\u0e01"]),
        ("\u0ea5\u0eb2\u0ea7", ["\u0ea5\u0eb2", "\u0eb2\u0ea7"]),
        ("\u1781\u17d2\u1798\u17c2\u179a", ["\u1781\u17d2\u1798\u17c2", "\u1798\u17c2\u179a"]),
        ("\u1019\u103c\u1014\u103a\u1019\u102c", ["\u1019\u103c\u1014\u103a", "\u1014\u103a\u1019\u102c"]),
        ("\uc11c\uc6b8\uc740", ["\uc11c\uc6b8", "\uc6b8\uc740"]),
        ("\ua9a7\ua9b1\ua997", ["\ua9a7\ua9b1", "\ua9b1\ua997"]),
        ("\ua188\ua320\ua259", ["\ua188\ua320", "\ua320\ua259"]),
        ("\u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51\u0f0b", ["\u0f56\u0f7c\u0f51", "\u0f66\u0f90\u0f51"]),
        # Words of two scripts side by side.
        ("Python\u7684\u4f18\u70b9", ["python", "\u7684\u4f18", "\u4f18\u70b9"]),
    ],
)
def test_words_of_every_script_are_seen(text: str, words: list[str]) -> None:
    assert read(text).words == words
    # What is learnt of a prompt is learnt of the same words.
    assert hashed_words(text) == hashed_words("\n".join(words))
    assert sum(hashed_words(text).values()) == len(words)


def test_digits_of_every_script_are_digits() -> None:
    assert ascii_digits("\u0664\u0662 \u096a\u0968 42 \u00b2") == "42 42 42 \u00b2"
    assert read("\u0664\u0662").words == ["42"]
    assert hashed_words("\u0664\u0662") == hashed_words("42")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("caf\u00e9", "cafe\u0301"),
        ("\uff30\uff41\uff52\uff49\uff53", "paris"),
        ("STRASSE", "stra\u00dfe"),
        ("\u0130s", "i\u0307s"),
    ],
)
def test_forms_of_one_word_are_one_word(left: str, right: str) -> None:
    assert hashed_words(left) == hashed_words(right)


def test_prompts_in_scripts_without_spaces_have_words_in_common() -> None:
    one, other = "\u5982\u4f55\u5b66\u4e60\u4e2d\u6587\uff1f", "\u5b66\u4e60\u4e2d\u6587\u96be\u5417\uff1f"
    assert len(hashed_words(one).keys() & hashed_words(other).keys()) == 3


@given(st.text(max_size=200))
def test_a_shadow_is_as_long_as_its_text(text: str) -> None:
    seen = shadow(text)
    assert len(seen) == len(text)
    assert seen.isascii()
    assert shadow(seen) == seen


@given(st.text(st.sampled_from("\u4ed6\u662f\u0e14\u0e35\u0e21\uc11c\u3067\u3099"), min_size=1))
def test_pairs_hold_all_of_a_run(run: str) -> None:
    assert set("".join(pairs(run))) <= set(run)
    assert all(pairs(run))
