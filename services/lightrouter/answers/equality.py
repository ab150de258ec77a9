"""Decides whether two answers are the same: first by meaning, then without the text around them."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

from lightrouter.answers.announced import unmarked
from lightrouter.answers.canonical import canonical_json
from lightrouter.answers.cardinals import cardinal_of
from lightrouter.answers.currencies import sign_of
from lightrouter.answers.days import day
from lightrouter.answers.numbers import Number, is_short, number_of, numbers, written
from lightrouter.answers.plain import plain, signed, without_tex
from lightrouter.answers.scripts import PUNCTUATION
from lightrouter.runtime.text import normalized

# Choices. A longer answer is a text, in which numbers are compared as written.
_MOST_CHARACTERS: Final = 256
# Of a longer one only white space, case and composition are normalized.
_MOST_BARED: Final = 4_096
_MOST_PASSES: Final = 8
# The case of these letters counts: mW is not MW, Mb not MB, M not m, and a capital sigma is a sum.
_CASED: Final = re.compile(
    r"((?<=\d) ?(?:MB\b|[MP](?=(?:[A-Za-z]|[Hh][Zz]|[Pp][Aa]|[Ee][Vv]|bps)\b)|[A-Za-z]B\b|[CGHKMNST](?![\w'-]))"
    r"|(?<![\u0370-\u03ff])[\u0393\u0394\u0398\u039b\u039e\u03a0\u03a3\u03a6\u03a8\u03a9](?![\u0370-\u03ff]))"
)
# Characters around an answer that are not part of it. Not in front: a point, a sign, an exclamation mark.
_BEFORE: Final = " \t\"'`:;,?\u00bf\u00a1"
_BEHIND: Final = " \t\"'`.,;:!?\u2026" + "".join(mark for mark, form in PUNCTUATION.items() if form in ".,;:!?")
# The mark of a factorial, a derivative, inches or digits without end is a part of it.
_MARKED: Final = re.compile(r"(?:(?<!\w)[a-z]|\d|\))(?:!+|'+|\"+)$|\.\d+(?:\.{3}|\u2026)$")
_PRODUCT: Final = re.compile(r"(?<!\*)\*(?!\*)")
_PAIRS: Final = re.compile(
    r"\(\s*([^()\[\]{},]*)\s*\)|\[\s*([A-Za-z])\s*\]|\{\s*([A-Za-z])\s*\}|([A-Za-z])\s?\)"
    r"|<(https?://[^<>\s]*)>|(?s:<(?:b|strong|i|em|code|u|p)>(.*)</[a-z]+>)"
)
_LETTER: Final = re.compile(r"(\*{0,3})[(\[]?([A-Za-z])[)\]]?[.:]?\1\.?")
# A block of code, and the start of a heading or of an item.
_FENCES: Final = ("```", "~~~")
_HEADING: Final = re.compile(r"\A\s*(?:#{1,6}|\u2022)\s+")
# An index: x_{1}, x\u2081, and the number of atoms, H_2O.
_INDEX: Final = re.compile(r"_\s*\{\s*(\w+)\s*\}(?!\w)")
_LOWERED: Final = re.compile("[\u2080-\u2089]+")
_ATOMS: Final = re.compile(r"(?<=[A-Z)\]])_(?=\d)|(?<=[A-Z][a-z])_(?=\d)")
_POWER: Final = re.compile(r"(?<=[\w)\]])\s\*\*\s(?=[\w(])")
_QUOTED: Final = re.compile(r"(?<![\w'])'([^'\"\n]*)'(?![\w'])")
# Within brackets a comma separates members.
_MEMBERS: Final = re.compile(r"(?<=\d),(?=\d)")
_OPERAND_END: Final = re.compile(r"[\w)\]]\s?\Z")
_FACTOR: Final = re.compile(r"(?<=\d) (?=[\u03c0\u221a])")
_SPACES: Final = re.compile(r"\s*([^\w\s,'.]+)\s*")
_COMMAS: Final = re.compile(r"\s*,\s*")
_BOXED: Final = re.compile(r"\\f?box(?:ed)?\s*\{(.*)\}")


def canonical(answer: str) -> str:
    """Returns the canonical form of an answer: equal answers have equal forms.

    Numbers are equal by value, in any notation: 1,000 and 1000.0, 50% and 1/2. Texts are equal except for case,
    composition, white space, Markdown, TeX, quotes, and punctuation at the end. Brackets, signs and leading characters
    count: [1, 2] is not (1, 2), .5 not 5, !true not true.
    """
    if len(answer) > _MOST_BARED:
        return normalized("NFC", " ".join(answer.split()).casefold())
    text = answer
    # What stands around may hide more of it, and a value in the place of an expression may make a number of the whole.
    for _ in range(_MOST_PASSES):
        simpler = _simpler(text)
        if simpler == text:
            break
        text = simpler
    return text or answer.strip()


def value(text: str) -> str | None:
    """Returns what a whole text means in any notation, if it is more than words: else None.

    That is the canonical form of a number, a day, or another text without letters; one letter; a JSON document in its
    canonical form, in which the case of letters counts.
    """
    if len(text) > _MOST_BARED:
        return None
    document = _json(_unfenced(text))
    if document is not None or len(text) > _MOST_CHARACTERS:
        return document
    if letter := _LETTER.fullmatch(text.strip()):
        return letter[2]
    bare = _bare(text)
    worded = any(map(str.isalpha, bare)) and number_of(bare) is None and day(bare) is None
    return None if worded else canonical(text)


def _simpler(text: str) -> str:
    text = _unfenced(text)
    bare = _bare(_json(text) or text)
    number = number_of(bare)
    if number is not None:
        return sign_of(bare) + written(number)
    if len(bare) <= _MOST_CHARACTERS:
        if (spelt := cardinal_of(bare)) is not None:
            return written(Number(spelt, percent=False, span=(0, 0)))
        if written_day := day(bare):
            return written_day
        valued = _with_values(_MEMBERS.sub(", ", bare) if bare[:1] in {"[", "{"} else bare)
    else:
        valued = bare
    valued = signed(valued).replace("**", "^").replace("\u2026", "...")
    valued = _COMMAS.sub(", ", _SPACES.sub(r"\1", _PRODUCT.sub("\u00d7", _QUOTED.sub(r'"\1"', valued))))
    parts = _CASED.split(_FACTOR.sub("", valued))
    parts[::2] = map(str.casefold, parts[::2])
    return normalized("NFC", "".join(parts)).strip()


def _unfenced(text: str) -> str:
    first, line_end, rest = text.strip().partition("\n")
    fence = first[:3]
    fenced = line_end and fence in _FENCES and fence[0] not in first[3:] and rest.endswith(fence)
    return rest.removesuffix(fence) if fenced else text


def _json(text: str) -> str | None:
    """Returns the canonical form of a JSON object or list; None for any other text."""
    if text.lstrip()[:1] in {"[", "{"}:
        try:
            return canonical_json(json.loads(text))
        except (ValueError, RecursionError):
            pass
    return None


def _bare(answer: str) -> str:
    spelt = _LOWERED.sub(lambda found: f"_{unicodedata.normalize('NFKC', found[0])}", answer)
    spelt = _POWER.sub("**", _INDEX.sub(r"_\1", _HEADING.sub("", plain(spelt))))
    text = " ".join(unmarked(spelt).split())
    quoted = text.startswith(("'", '"', "`"))
    if boxed := _BOXED.fullmatch(text.strip("$. ")):
        text = boxed[1]
    bare = _ATOMS.sub("", " ".join(without_tex(text).split())).lstrip(_BEFORE)
    bare = bare if not quoted and _MARKED.search(bare) else bare.rstrip(_BEHIND)
    pair = _PAIRS.fullmatch(bare)
    return next(filter(None, pair.groups()), "") if pair else bare


def _with_values(text: str) -> str:
    """Returns a text with each number in canonical form."""
    parts: list[str] = []
    at = 0
    for number in numbers(text):
        begin, end = number.span
        if is_short(text, number):
            continue
        added = text[begin] == "+" and _OPERAND_END.search(text, max(0, begin - 2), begin)
        amount = sign_of(text[begin:end]) + written(number)
        # 5km is 5 km.
        parts += [text[at:begin], "+" if added else "", amount, " " * text[end : end + 1].isalpha()]
        at = end
    return "".join([*parts, text[at:]])
