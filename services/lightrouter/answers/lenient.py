"""JSON as models write it: with prose around it, trailing commas, single quotes, comments and bare words."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Final, TypeAlias

from lightrouter.runtime.text import normalized

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

# Choices: a verdict or a document of answers is far shorter and flatter.
_MOST_CHARACTERS: Final = 20_000
# Repairing costs more than reading, and short replies seldom need it.
_MOST_MENDED: Final = 20_000
_MOST_DOCUMENTS: Final = 64
_MOST_NESTED: Final = 32
_OPENING: Final = re.compile(r"[{\[\uff5b\uff3b]")
_BRACKET: Final = re.compile(r'"(?:[^"\\\n]|\\.)*+"|[{}\[\]\uff5b\uff5d\uff3b\uff3d]')
_QUOTES: Final = r"\u2018-\u201e\u00ab\u00bb\u300c-\u300f"
_BARE: Final = rf"[^\s\"'{_QUOTES}{{}}\[\]\uff5b\uff5d\uff3b\uff3d:\uff1a,\uff0c\u3001;\uff1b=\uff1d/#]"
# The bound is a choice: each start without an end is searched so far.
_COMMENT: Final = r"//[^\n]*+|\#[^\n]*+|/\*.{0,200}?\*/"
_LOOSE: Final = re.compile(
    rf"""(?P<kept>"(?:[^"\\]|\\.)*+")|'(?P<single>(?:[^'\\\n]|\\.)*+)'"""
    rf"""|[{_QUOTES}](?P<curly>[^{_QUOTES}\n]*+)[{_QUOTES}]"""
    rf"""|(?P<dropped>[,\uff0c\u3001;\uff1b](?=(?:\s++|{_COMMENT})*+[}}\]\uff5d\uff3d])|{_COMMENT}|[\u200b\ufeff]++)"""
    # Only white space between the end of one value and the start of the next: a comma is missing.
    r"""|(?P<gap>(?<=[}\]"\d])\s++(?=["{]))|(?P<space>\s++)|(?P<colon>=>|[=\uff1d\uff1a])|(?P<comma>[\uff0c\u3001;\uff1b])"""
    r"""|(?P<wide>[\uff5b\uff5d\uff3b\uff3d])"""
    # A number or a bare word extends to the next mark: 8/10, 80 %, 8 out of 10.
    rf"""|(?P<bare>{_BARE}(?:{_BARE}|/(?![/*])|[^\S\n]++(?=[\w%(/](?![/*])))*+)""",
    re.DOTALL,
)
_WORDS: Final = {"true", "false", "null", "NaN", "Infinity"}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_PYTHON: Final = {"True": "true", "False": "false", "None": "null"}
_WIDE: Final = str.maketrans("\uff5b\uff5d\uff3b\uff3d", "{}[]")
_CLOSED_BY: Final = {"{": "}", "[": "]"}

LOOK_ALIKE: Final = str.maketrans("авсенкмортхαβεζηικμνορτυχ", "abcehkmoptxabezhikmnoptyx")
"""The lower-case Latin letters by those of other scripts that look the same, which models confuse."""


class RepeatedKeyError(ValueError):
    """An object has a key twice, so it is unknown which value counts."""


class BrokenError(ValueError):
    """Text between matching brackets that is not JSON, even after repair."""


def objects(text: str) -> Iterator[Json | ValueError]:
    """Yields the JSON objects and lists in `text`, the last one first; outer ones before their parts.

    For text that cannot be read, its error is yielded: `RepeatedKeyError` or `BrokenError`; if the text ends within a
    document, `BrokenError` comes first. If the last object is strict JSON but seems to stand in a text, because of a
    quote or bracket before it that nothing closes, it comes last. Only the last 20,000 characters and the last 64
    documents are read.
    """
    text = text[-_MOST_CHARACTERS:]
    budget = _MOST_MENDED
    spans, opened_at = _spans(text)
    if opened_at is not None:
        yield BrokenError()
    for begin, end in reversed(spans[-_MOST_DOCUMENTS:]):
        piece = text[begin:end]
        try:
            yield _read(piece)
            continue
        except RepeatedKeyError as error:
            yield error
            continue
        except (ValueError, RecursionError):
            pass
        budget -= len(piece)
        yield _mended(piece) if budget >= 0 else BrokenError()
    begin, end = _last_object(text)
    if end and (begin, end) not in spans:
        yield _read(text[begin:end])


def plain(word: str) -> str:
    """Returns a key or a word without case, width, white space, quotes, brackets and emphasis around it."""
    shown = "".join(char for char in word if unicodedata.category(char) != "Cf")
    return normalized("NFKC", shown).strip(" \t\r\n\"'`*_()[].:").casefold()


def unclosed(text: str) -> str:
    """Returns the document within which `text` ends; empty if it ends within none."""
    _, opened_at = _spans(text)
    return "" if opened_at is None else text[opened_at:]


def _spans(text: str) -> tuple[list[tuple[int, int]], int | None]:
    """Returns the start and end of each text between matching brackets, by their ends.

    The second value is the start of the outermost bracket that is not closed; None if all are.
    """
    found: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    position = 0
    # Quotes count only between brackets: prose has inches and apostrophes.
    while match := (_BRACKET if opened else _OPENING).search(text, position):
        mark, position = match.group().translate(_WIDE), match.end()
        if mark in _CLOSED_BY:
            opened.append((mark, match.start()))
        elif mark == _CLOSED_BY[opened[-1][0]]:
            _, begin = opened.pop()
            if len(opened) < _MOST_NESTED:
                found.append((begin, match.end()))
        elif mark in "}]":
            opened.clear()
    return found, opened[0][1] if opened else None


def _last_object(text: str) -> tuple[int, int]:
    """Returns start and end of the last object of strict JSON, whatever stands before it; 0 and 0 without one."""
    found = (0, 0)
    places = [place.start() for place in re.finditer(r"\{", text)]
    for begin in places[-_MOST_DOCUMENTS:]:
        if begin < found[1]:
            continue
        try:
            found = (begin, _STRICT.raw_decode(text, begin)[1])
        except RepeatedKeyError:
            return 0, 0
        except (ValueError, RecursionError):
            continue
    return found if places and places[-1] < found[1] else (0, 0)


def _read(text: str) -> Json:
    value: Json = json.loads(text, object_pairs_hook=_unique)
    return value


def _mended(text: str) -> Json | ValueError:
    try:
        return _read(_LOOSE.sub(_strict, text))
    except RepeatedKeyError as error:
        return error
    except (ValueError, RecursionError):
        return BrokenError()


def _strict(match: re.Match[str]) -> str:
    if (kept := match["kept"]) is not None:
        return kept.replace("\n", "\\n").replace("\t", "\\t")
    if (single := match["single"]) is not None:
        return json.dumps(single.replace("\\'", "'"))
    if (curly := match["curly"]) is not None:
        return json.dumps(curly)
    if (bare := match["bare"]) is not None:
        kept = bare in _WORDS or _NUMBER.fullmatch(bare)
        return bare if kept else _PYTHON.get(bare) or json.dumps(bare)
    if (wide := match["wide"]) is not None:
        return wide.translate(_WIDE)
    names = {"gap": ",", "comma": ",", "colon": ":", "space": " ", "dropped": ""}
    return names[match.lastgroup or "dropped"]


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise RepeatedKeyError
    return unique


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique)
