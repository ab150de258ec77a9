"""Numbers in words, whatever the language."""

from __future__ import annotations

from fractions import Fraction

from lightrouter.answers.cardinals import begins_with_cardinal, cardinal
from lightrouter.answers.han import begins_with_han, han
from lightrouter.answers.numerals import numeral


def begins_spelt(text: str) -> bool:
    """Tells whether a text begins with a number in English words or Chinese signs."""
    return begins_with_cardinal(text) or begins_with_han(text)


def spelt(text: str, whole: str, *, alone: bool = False) -> tuple[Fraction, bool] | None:
    """Returns the number that a text begins with in words, and whether it is a percentage; None if there is none.

    Args:
        text: What is stated.
        whole: The text in which it is stated, which shows its language.
        alone: Whether nothing announces the number, so that no more than a unit may stand behind it.
    """
    return cardinal(text, alone=alone) or han(text) or numeral(text, whole, alone=alone)
