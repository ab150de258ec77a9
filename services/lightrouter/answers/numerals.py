"""Numbers in words of German, Dutch, French, Spanish, Portuguese, Italian, Russian and Korean.

text2num reads them; Russian and Korean, which it does not know, are read here.
"""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from lightrouter.answers.han import han

# Choices: a longer number is written in digits.
_MOST_WORDS: Final = 20
_MOST_LETTERS: Final = 120
# A choice: the characters from a text's end that show its language.
_MOST_SHOWN: Final = 400
_TELLING_LETTERS: Final = 10
_THOUSAND: Final = 1000
_RUSSIAN: Final = "ru"


def _speaks(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(words.split())})(?!\w)", re.IGNORECASE)


# Words with which a text shows its language.
_SPEAKS: Final = {
    "de": _speaks("die der das ist sind und antwort ergebnis es lösung macht ergibt"),
    "nl": _speaks("het is zijn antwoord de uitkomst er"),
    "fr": _speaks("la le les est sont réponse résultat il y donne fait"),
    "es": _speaks("la el es son respuesta resultado hay solución"),
    "pt": _speaks("a o é são resposta resultado há solução"),
    "it": _speaks("la il è sono risposta risultato ci soluzione"),
    _RUSSIAN: re.compile("[а-я]", re.IGNORECASE),
}


def _from(first: int, words: str, step: int = 1) -> dict[str, int]:
    """Returns the values of words in their order; words with a slash between them have one value."""
    return {word: first + place * step for place, each in enumerate(words.split()) for word in each.split("/") if word}


_RUSSIAN_WORDS: Final = {
    **_from(
        0,
        "ноль/нуль один/одна/одно два/две три четыре пять шесть семь восемь девять десять одиннадцать двенадцать"
        " тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    ),
    **_from(30, "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто", 10),
    **_from(100, "сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот", 100),
    **dict.fromkeys(("тысяча", "тысячи", "тысяч"), _THOUSAND),
    **dict.fromkeys(("миллион", "миллиона", "миллионов"), _THOUSAND**2),
    **dict.fromkeys(("миллиард", "миллиарда", "миллиардов"), _THOUSAND**3),
}
_MINUS: Final = re.compile(r"(?:minus|moins|menos|meno|min|минус)\s+", re.IGNORECASE)
_PERCENT: Final = re.compile(
    r"\s+(?:prozent|procent|pour\s?cent|por\s?ciento|por\s?cento|per\s?cento|процент\w*)(?!\w)", re.IGNORECASE
)
# Words behind a number that make another one of it, or with which it is no number.
_OTHERS: Final = re.compile(
    r"\W*(?:und|oder|bis|mal|komma|hoch|drittel|viertel|en|of|tot|keer|et|ou|fois|virgule|tiers|y|o|por|coma|veces|tercios"
    r"|e|ou|vezes|vírgula|volte|virgola|terzi|или|и|до|целых|умножить|to|[-+*/=])(?!\w)",
    re.IGNORECASE,
)
_UNIT: Final = re.compile(r"(?:\s+[^\W\d_]{1,16})?\W*")
_MARKS: Final = " \t\n.!,;:\"')*"
_WORD: Final = re.compile(r"[^\W\d_]+")
_WORDS: Final = re.compile(rf"{_WORD.pattern}(?:[\s,'-]+{_WORD.pattern}){{0,{_MOST_WORDS}}}")
# Numbers that are other words in English.
_AMBIGUOUS: Final = frozenset(
    ("once", "due", "cent", "dos", "mil", "sei", "elf", "tre", "un", "um", "uno", "null", "eine")
)
_FEMININE: Final = re.compile(r"\beine\b")
_HANGUL: Final = str.maketrans("영공일이삼사오육륙칠팔구십백천만억조", "零零一二三四五六六七八九十百千万亿兆")
_KOREAN: Final = re.compile(
    r"(?P<number>[영공일이삼사오육륙칠팔구십백천만억조 ]{1,32}?)\s?(?P<unit>원|개|명|살|년|점|도|달러|퍼센트)?"
    r"(?P<end>입니다|이다|이에요|예요|이고)?\W*"
)


def numeral(text: str, whole: str, *, alone: bool = False) -> tuple[Fraction, bool] | None:
    """Returns the number that a text begins with in words, and whether it is a percentage; None if there is none.

    Args:
        text: What is stated.
        whole: The whole text, which shows its language.
        alone: Whether nothing announces the number, so that no more than a unit may stand behind it.
    """
    text = text.lstrip(" \t\n:\"'(")
    if korean := _KOREAN.fullmatch(text):
        return _korean(korean)
    at = found.end() if (found := _MINUS.match(text)) else 0
    words = _WORDS.match(text, at, at + _MOST_LETTERS)
    begun = _begun(words[0]) if words else []
    if words is None or not begun:
        return None
    spoken = [each for each in _SPEAKS if _SPEAKS[each].search(whole, max(0, len(whole) - _MOST_SHOWN))]
    for end in reversed([word.end() for word in _WORD.finditer(text, at, words.end())]):
        for value in _values(text[at:end], begun, spoken, alone=alone and not text[end:].strip(" .!")):
            percent = _PERCENT.match(text, end)
            rest = text[percent.end() if percent else end :]
            after = _WORD.match(rest.lstrip())
            if value <= 1:
                # Most languages have one word for one and for an article.
                is_all = not rest.strip(_MARKS)
            else:
                is_all = _UNIT.fullmatch(rest) is not None if alone else not _OTHERS.match(rest)
            if not is_all or (after and any(_values(after[0], spoken, spoken, alone=False))):
                return None
            return Fraction(-value if at else value) / (100 if percent else 1), bool(percent)
    return None


def _begun(words: str) -> list[str]:
    """Returns the languages in which the first word is a number."""
    first = _WORD.match(words)
    return [language for language in _SPEAKS if first and _value(first[0], language) is not None]


def _values(words: str, languages: Sequence[str], spoken: Sequence[str], *, alone: bool) -> Iterator[int]:
    """Yields the value of words in each of the languages that the text may be in, `spoken` by its other words.

    Several words, or a long one, show the language themselves, as does a word that is the whole text.
    """
    found = _WORD.findall(words.casefold())
    letters = "".join(found)
    tells = len(found) > 1 or len(letters) >= _TELLING_LETTERS or (alone and letters not in _AMBIGUOUS)
    for language in languages:
        if (tells or language in spoken) and (value := _value(words, language)) is not None:
            yield value


def _value(words: str, language: str) -> int | None:
    """Returns the value of words in a language; None if they are no number."""
    plain = _FEMININE.sub("ein", " ".join(words.replace(",", " ").casefold().split()))
    if language == _RUSSIAN:
        return _russian(plain.split())
    # Imported here: few texts have such a number, and a process that reads none saves the memory.
    from text_to_num import text2num

    try:
        value: int = text2num(plain, language)
    except ValueError:
        return None
    return value


def _russian(words: Sequence[str]) -> int | None:
    total, part, scale, least = 0, 0, _THOUSAND**4, _THOUSAND
    for word in words:
        value = _RUSSIAN_WORDS.get(word)
        if value is None or value >= scale or (value < _THOUSAND and value >= least):
            return None
        if value >= _THOUSAND:
            total, part, scale, least = total + (part or 1) * value, 0, value, _THOUSAND
            continue
        # Behind hundreds stand tens and ones, behind tens ones, and nothing behind the numbers up to nineteen.
        part, least = part + value, 100 if value >= 100 else 10 if value >= 20 else 0
    return total + part


def _korean(found: re.Match[str]) -> tuple[Fraction, bool] | None:
    read = han(found["number"].replace(" ", "").translate(_HANGUL))
    if read is None or not (found["unit"] or found["end"] or len(found["number"]) > 1):
        return None
    return (read[0] / 100, True) if found["unit"] == "퍼센트" else read
