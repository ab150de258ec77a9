"""Reads the points from a judge's reply, or says why they cannot be read."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from lightrouter.answers.lenient import LOOK_ALIKE, Json, RepeatedKeyError, objects, plain, unclosed
from lightrouter.runtime.text import normalized
from lightrouter.selector.prompts import MOST_POINTS

_SCALES: Final = ("consistency", "correctness")
# Keys under which an item of a list names the letter of its answer.
_LETTER_KEYS: Final = ("answer", "letter", "label", "id", "name", "candidate")
_LABEL: Final = re.compile(
    r"(?:the\s+)?(?:(?:partial\s+)?(?:answer|candidate|response|option|assistant|draft|partial|model)[\s_:#-]*)?"
    r"[(<]?([^\W\d_]{1,3})[)>]?(?:\s*\(.*)?"
)
# "consistency", "Consistency (0-10)", "correctness_score", "correct".
_SCALE: Final = re.compile(
    r"(consisten|correct)(?:cy|t|ness)?(?:[\s_-]*(?:score|points|rating))?(?:\s*\(.*|\s*/\s*10)?"
)
# "A_consistency", "Answer A: correctness".
_LETTER_AND_SCALE: Final = re.compile(r"(.{1,40}?)[\s_.:/-]+((?:consisten|correct)[^\s_.:/-]*(?:[\s_-]*score)?)")
# The start of a verdict without its outer braces.
_KEY: Final = re.compile(r"""["']?\w[\w ]{0,20}["']?\s*:\s*\{""")
# "Answer A: consistency 8, correctness: 9/10", also below each other.
_BETWEEN: Final = r"[\s\W_]{1,12}"
_LINE: Final = re.compile(
    r"^[ \t*_#>(.\d-]{0,12}(?:(?:answer|candidate|response|option|assistant|draft|partial)\s+)?(?P<label>[A-Z])\b"
    rf"{_BETWEEN}consistency(?:\s?\([^()]*\))?{_BETWEEN}(?P<consistency>\d{{1,2}}(?:\.\d{{1,3}})?(?:\s?/\s?10)?)\b"
    rf"[^\d\n]{{0,24}}\n?[^\d\n]{{0,24}}?correctness(?:\s?\([^()]*\))?{_BETWEEN}"
    r"(?P<correctness>\d{1,2}(?:\.\d{1,3})?(?:\s?/\s?10)?)(?![\d.])",
    re.IGNORECASE | re.MULTILINE,
)
# Keys under which an object in place of a number holds the score.
_POINT_KEYS: Final = ("score", "points", "value", "rating")
# "8", "+8", "~8", "08", "8.5", "8,5", ".5", "8/10", "8 out of 10", "80 %", "8 points", "8 (good)", "8 - good".
_SCORE: Final = re.compile(
    r"(?:(?:score|points|rating)\s*[:=]\s*)?[+~\u2248]?"
    r"(?P<number>\d{1,6}(?:\.\d{0,9}|,(?!\d{3}(?!\d))\d{0,9})?|\.\d{1,9})\s*"
    r"(?:(?:/|out of|of)\s*(?P<most>\d{1,6})|(?P<percent>%|percent)|points?|pts?\.?|stars?)?"
    r"(?:\s*\([^\d()]*\)|\s*[:;,.\u2013\u2014-]\s[^\d]*)?"
)


class Points(NamedTuple):
    """The judge's points for one partial, each 0 to 1."""

    consistency: float
    correctness: float


class UnreadableError(Exception):
    """A reply is no verdict; the text says why in a few words and quotes nothing of the reply."""


class IncompleteError(UnreadableError):
    """A document lacks the points of some answers."""


def parse(reply: str, labels: Sequence[str]) -> dict[str, Points]:
    """Returns the points by label from the last JSON document of a reply that is a complete verdict.

    The form may vary: prose and code fences around the document, additional keys, keys in any case, numbers as text,
    trailing commas and other loose JSON, a list in place of an object. The content may not: no label is missing,
    repeated or unknown, and no score is outside the scale.

    Raises:
        UnreadableError: There is no such document.
    """
    fault: UnreadableError | None = None
    for text in _readings(reply):
        try:
            return _last_verdict(text, labels)
        except UnreadableError as error:
            fault = fault or error
    raise fault or UnreadableError("it is empty")


def _readings(reply: str) -> Iterator[str]:
    """Yields a reply as it is, then as text that was escaped once more, and with the braces that it lacks."""
    text = _unwrapped(reply)
    if _SCALES[0] in (begun := unclosed(text)).casefold():
        # It ends within a verdict: those before it no longer count.
        text = begun
    yield text
    if '\\"' in text:
        yield text.replace('\\"', '"')
    if "&quot;" in text:
        yield html.unescape(text)
    if _KEY.match(bare := text.strip("` \t\r\n")):
        yield f"{{{bare}}}"
    if lines := "" if "{" in text else _in_lines(text):
        yield lines


def _in_lines(text: str) -> str:
    """Returns as JSON the verdict of a reply with one line, list or element for each answer; empty without one."""
    found = [(line["label"], {scale: line[scale] for scale in _SCALES}) for line in _LINE.finditer(text)]
    points = dict(found)
    return json.dumps(points) if found and len(points) == len(found) else ""


def _last_verdict(text: str, labels: Sequence[str]) -> dict[str, Points]:
    faults: list[UnreadableError] = []
    parts: list[Json] = []
    for document in objects(text):
        try:
            return _verdict(document, labels)
        except UnreadableError as error:
            faults.append(error)
            if isinstance(error, IncompleteError) and not isinstance(document, ValueError):
                parts.append(document)
    if len(parts) == len(faults):
        # One object for each answer: together they are one verdict.
        with suppress(UnreadableError):
            return _verdict(parts, labels)
    if faults:
        # The last outermost document is the verdict: judges reason before it.
        raise faults[0]
    raise UnreadableError("it holds no JSON object")


def _unwrapped(reply: str) -> str:
    """Returns the content of a reply that is one JSON string; any other reply as it is."""
    if reply.strip().startswith('"'):
        with suppress(ValueError):
            text = json.loads(reply)
            return text if isinstance(text, str) else reply
    return reply


def _verdict(document: Json | ValueError, labels: Sequence[str]) -> dict[str, Points]:
    if isinstance(document, ValueError):
        repeated = isinstance(document, RepeatedKeyError)
        raise UnreadableError("a key is repeated" if repeated else "its JSON is broken")
    found: dict[str, Json] = {}
    for key, value in _opinions(document):
        label = _label(key)
        if label is None:
            continue
        if label in labels:
            if label in found:
                raise UnreadableError("a key is repeated")
            found[label] = value
        elif len(label) == 1 and isinstance(value, dict | list):
            # A judge that scores an answer that does not exist may have changed the letters of the others too.
            raise UnreadableError("it has keys that are no answer's letter")
    if missing := [label for label in labels if label not in found]:
        raise IncompleteError(f"it lacks {', '.join(missing)}")
    return {label: _points(label, found[label]) for label in labels}


def _opinions(document: Json) -> Iterator[tuple[str, Json]]:
    """Yields letter and points: from an object by letter or by scale, or from a list."""
    if isinstance(document, dict):
        yield from _by_letter(document).items()
    for item in document if isinstance(document, list) else ():
        if isinstance(item, dict):
            members = {plain(key): value for key, value in item.items()}
            letter = next((members[key] for key in _LETTER_KEYS if isinstance(members.get(key), str)), None)
            if isinstance(letter, str):
                yield letter, item
            else:
                yield from item.items()


def _by_letter(document: dict[str, Json]) -> dict[str, Json]:
    """Returns the points by letter, also if the scales are the outer keys, or letter and scale are one key."""
    flat = {key: match for key in document if (match := _LETTER_AND_SCALE.fullmatch(plain(key)))}
    if flat:
        parted: dict[str, Json] = {key: value for key, value in document.items() if key not in flat}
        points: dict[str, dict[str, Json]] = {}
        for key, match in flat.items():
            letter, scale = match.groups()
            if letter in parted or scale in points.setdefault(letter, {}):
                raise UnreadableError("a key is repeated")
            points[letter][scale] = document[key]
        return {**parted, **points}
    scales = [value for key, value in document.items() if _SCALE.fullmatch(plain(key))]
    if len(scales) != len(_SCALES) or not all(isinstance(value, dict) for value in scales):
        return document
    turned: dict[str, Json] = {}
    for key, value in document.items():
        for letter, score in value.items() if isinstance(value, dict) else ():
            opinion = turned.setdefault(letter, {})
            if isinstance(opinion, dict):
                opinion[key] = score
    return turned


def _label(key: str) -> str | None:
    """Returns the letter of a key like `A`, `a`, `(A)` or `Answer A`; None if it has none."""
    match = _LABEL.fullmatch(plain(key))
    return match[1].translate(LOOK_ALIKE).upper() if match else None


def _points(label: str, value: Json) -> Points:
    if isinstance(value, str):
        value = next((each for each in objects(value) if not isinstance(each, ValueError)), value)
    if not isinstance(value, dict):
        raise UnreadableError(f"the value of {label} is no object")
    inner = [each for each in value.values() if isinstance(each, dict)]
    if len(inner) == 1 and not any(_SCALE.fullmatch(plain(key)) for key in value):
        # The points stand one level deeper, such as in `scores`.
        (value,) = inner
    return Points(*(_share(label, _said(value, scale), scale) for scale in _SCALES))


def _said(opinion: dict[str, Json], scale: str) -> Json:
    """Returns the value for a scale, by its exact key or else by a similar one; None without one."""
    names = [(key, plain(key)) for key in opinion]
    said = [opinion[key] for key, name in names if name == scale]
    if not said:
        matches = ((key, _SCALE.fullmatch(name)) for key, name in names)
        said = [opinion[key] for key, match in matches if match and scale.startswith(match[1])]
    if len(said) > 1:
        raise UnreadableError("a key is repeated")
    return said[0] if said else None


def _share(label: str, value: Json, scale: str) -> float:
    if isinstance(value, dict):
        value = next((said for key, said in value.items() if plain(key) in _POINT_KEYS), None)
    number = _number(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not _finite(number):
        raise UnreadableError(f"{scale} of {label} is no number")
    if not 0 <= number <= MOST_POINTS:
        raise UnreadableError(f"{scale} of {label} is not within 0 to {MOST_POINTS}")
    return number / MOST_POINTS


def _number(text: str) -> float | None:
    """Returns the points of a text like `8`, `8/10` or `80 %`, scaled to `MOST_POINTS`; None without points."""
    match = _SCORE.fullmatch(normalized("NFKC", text).strip().casefold())
    if match is None:
        return None
    number = float(match["number"].replace(",", "."))
    most = 100.0 if match["percent"] else float(match["most"] or MOST_POINTS)
    return number * MOST_POINTS / most if most else None


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        # An integer with hundreds of digits is no score.
        return False
