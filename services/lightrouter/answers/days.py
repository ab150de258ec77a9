"""Days of the calendar as people and models write them: `4 July 1776`, `July 4th, 1776`, `1776-07-04`."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
# Three letters or more, as in Jan and Sept.
_MONTH: Final = r"(?P<month>[A-Za-z]{3,9})\.?"
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR: Final = r"(?P<year>\d{4})"
# Not 04/07/1776, which is a day in July or in April.
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?:the )?{_DAY} (?:of )?{_MONTH},? {_YEAR}",
        rf"{_MONTH} (?:the )?{_DAY},? {_YEAR}",
        rf"{_YEAR}[-/](?P<month>\d{{1,2}})[-/]{_DAY}",
        rf"{_YEAR} ?[\u5e74\ub144] ?(?P<month>\d{{1,2}}) ?[\u6708\uc6d4] ?{_DAY} ?[\u65e5\uc77c]",
    )
)


def day(text: str) -> str | None:
    """Returns the day that a text is, as ISO 8601 writes it; None if the text is anything else."""
    for form in _FORMS:
        if found := form.fullmatch(text):
            month = _month(found["month"].lower())
            try:
                return date(int(found["year"]), month, int(found["day"])).isoformat()
            except ValueError:
                return None
    return None


def _month(name: str) -> int:
    """Returns the number of a month; 0 if there is none of that name."""
    if name.isdigit():
        return int(name)
    return next((number for number, month in enumerate(_MONTHS, 1) if month.startswith(name)), 0)
