"""Numbers in words of German, Dutch, French, Spanish, Portuguese, Italian, Russian and Korean.

No library that is kept up has all of them; the unit test compares some with what people write.
"""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

from lightrouter.answers.han import han

# Choices: a longer number is written in digits.
_MOST_WORDS: Final = 20
_MOST_LETTERS: Final = 120
# A choice: the characters from a text's end that show its language.
_MOST_SHOWN: Final = 400
_TELLING_LETTERS: Final = 10
_HUNDRED: Final = 100
_THOUSAND: Final = 1000


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language writes numbers, in small letters without accents, hyphens and spaces.

    Attributes:
        small: The words below 100 by value.
        large: The words from 100 on by value; those from 1,000 on multiply what is before them.
        joints: The words between the parts.
        speaks: A pattern for words with which a text shows that it is in this language.
        turned: Whether ones stand before tens.
    """

    small: dict[str, int]
    large: dict[str, int]
    joints: tuple[str, ...]
    speaks: re.Pattern[str]
    turned: bool = False


def _from(first: int, words: str, step: int = 1) -> dict[str, int]:
    """Returns the values of words in their order; words with a slash between them have one value."""
    return {word: first + place * step for place, each in enumerate(words.split()) for word in each.split("/") if word}


def _speaks(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(words.split())})(?!\w)", re.IGNORECASE)


_LANGUAGES: Final = (
    _Language(
        _from(
            0,
            "null eins/ein/eine zwei/zwo drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn"
            " funfzehn sechzehn siebzehn achtzehn neunzehn",
        )
        | _from(20, "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig", 10),
        {
            "hundert": 100,
            "tausend": 1000,
            "million": 10**6,
            "millionen": 10**6,
            "milliarde": 10**9,
            "milliarden": 10**9,
        },
        ("und",),
        _speaks("die der das ist sind und antwort ergebnis es lösung macht ergibt"),
        turned=True,
    ),
    _Language(
        _from(
            0,
            "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien"
            " zeventien achttien negentien",
        )
        | _from(20, "twintig dertig veertig vijftig zestig zeventig tachtig negentig", 10),
        {"honderd": 100, "duizend": 1000, "miljoen": 10**6, "miljard": 10**9},
        ("en",),
        _speaks("het is zijn antwoord de uitkomst er"),
        turned=True,
    ),
    _Language(
        _from(
            0,
            "zero un/une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dixsept"
            " dixhuit dixneuf vingt",
        )
        | _from(30, "trente quarante cinquante soixante septante quatrevingt/quatrevingts/huitante/octante nonante", 10)
        | _from(70, "soixantedix soixanteetonze/soixanteonze")
        | _from(72, "soixantedouze soixantetreize soixantequatorze soixantequinze soixanteseize soixantedixsept")
        | _from(78, "soixantedixhuit soixantedixneuf")
        | _from(90, "quatrevingtdix quatrevingtonze quatrevingtdouze quatrevingttreize quatrevingtquatorze")
        | _from(95, "quatrevingtquinze quatrevingtseize quatrevingtdixsept quatrevingtdixhuit quatrevingtdixneuf"),
        {"cent": 100, "cents": 100, "mille": 1000, "million": 10**6, "millions": 10**6, "milliard": 10**9}
        | {"milliards": 10**9},
        ("et",),
        _speaks("la le les est sont réponse résultat il y donne fait"),
    ),
    _Language(
        _from(
            0,
            "cero uno/un/una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis"
            " diecisiete dieciocho diecinueve veinte veintiuno/veintiun/veintiuna veintidos veintitres veinticuatro"
            " veinticinco veintiseis veintisiete veintiocho veintinueve",
        )
        | _from(30, "treinta cuarenta cincuenta sesenta setenta ochenta noventa", 10),
        {"cien": 100, "ciento": 100, "mil": 1000, "millon": 10**6, "millones": 10**6}
        | _from(
            200,
            "doscientos/doscientas trescientos/trescientas cuatrocientos/cuatrocientas quinientos/quinientas"
            " seiscientos/seiscientas setecientos/setecientas ochocientos/ochocientas novecientos/novecientas",
            100,
        ),
        ("y", "de"),
        _speaks("la el es son respuesta resultado hay solución"),
    ),
    _Language(
        _from(
            0,
            "zero um/uma dois/duas tres quatro cinco seis sete oito nove dez onze doze treze catorze/quatorze quinze"
            " dezesseis/dezasseis dezessete/dezassete dezoito dezenove/dezanove",
        )
        | _from(20, "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa", 10),
        {"cem": 100, "cento": 100, "mil": 1000, "milhao": 10**6, "milhoes": 10**6, "bilhao": 10**9, "bilhoes": 10**9}
        | _from(
            200,
            "duzentos/duzentas trezentos/trezentas quatrocentos/quatrocentas quinhentos/quinhentas"
            " seiscentos/seiscentas setecentos/setecentas oitocentos/oitocentas novecentos/novecentas",
            100,
        ),
        ("e", "de"),
        _speaks("a o é são resposta resultado há solução"),
    ),
    _Language(
        _from(
            0,
            "zero uno/un/una due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici"
            " quindici sedici diciassette diciotto diciannove",
        )
        | _from(20, "venti/vent trenta/trent quaranta/quarant cinquanta/cinquant sessanta/sessant", 10)
        | _from(70, "settanta/settant ottanta/ottant novanta/novant", 10),
        {"cento": 100, "cent": 100, "mille": 1000, "mila": 1000, "milione": 10**6, "milioni": 10**6, "miliardo": 10**9}
        | {"miliardi": 10**9},
        ("e", "di"),
        _speaks("la il è sono risposta risultato ci soluzione"),
    ),
    _Language(
        _from(
            0,
            "ноль/нуль один/одна/одно два/две три четыре пять шесть семь восемь девять десять одиннадцать двенадцать"
            " тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
        )
        | _from(30, "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто", 10),
        _from(100, "сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот", 100)
        | {"тысяча": 1000, "тысячи": 1000, "тысяч": 1000, "миллион": 10**6, "миллиона": 10**6, "миллионов": 10**6}
        | {"миллиард": 10**9, "миллиарда": 10**9, "миллиардов": 10**9},
        (),
        re.compile("[а-я]", re.IGNORECASE),
    ),
)
_BEGINS: Final = re.compile(
    "|".join(sorted({word for language in _LANGUAGES for table in (language.small, language.large) for word in table}))
)
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
    if words is None or not _BEGINS.match(_plain(words[0][:_MOST_LETTERS])):
        return None
    spoken = [language for language in _LANGUAGES if language.speaks.search(whole, max(0, len(whole) - _MOST_SHOWN))]
    for end in reversed([word.end() for word in _WORD.finditer(text, at, words.end())]):
        for value in _values(text[at:end], spoken, alone=alone and not text[end:].strip(" .!")):
            percent = _PERCENT.match(text, end)
            rest = text[percent.end() if percent else end :]
            after = _WORD.match(rest.lstrip())
            if value <= 1:
                # Most languages have one word for one and for an article.
                is_all = not rest.strip(_MARKS)
            else:
                is_all = _UNIT.fullmatch(rest) is not None if alone else not _OTHERS.match(rest)
            if not is_all or (after and any(_values(after[0], spoken, alone=False))):
                return None
            return Fraction(-value if at else value) / (100 if percent else 1), bool(percent)
    return None


def _values(words: str, spoken: Sequence[_Language], *, alone: bool) -> Iterator[int]:
    """Yields the value of words in each language that the text may be in, `spoken` by its other words.

    Several words, or a long one, show the language themselves, as does a word that is the whole text.
    """
    found = _WORD.findall(_plain(words))
    letters = "".join(found)
    tells = len(found) > 1 or len(letters) >= _TELLING_LETTERS or (alone and letters not in _AMBIGUOUS)
    for language in _LANGUAGES if tells else spoken:
        value = _value(letters, language)
        if value is not None:
            yield value


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.casefold().replace("й", "\x00"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).replace("\x00", "й")


def _value(letters: str, language: _Language) -> int | None:
    """Returns the value of words without spaces; None if they are no number."""
    return next(_parses(letters, language, _Sum()), None) if letters else None


class _Sum(NamedTuple):
    """A number of which the first words are read.

    Attributes:
        at: Where the next word begins.
        total: The value of the parts up to the last thousand, million and the like.
        part: The value behind them.
        scale: That thousand or million; 0: none yet.
        joined: Whether the last word joins two parts.
    """

    at: int = 0
    total: int = 0
    part: int = 0
    scale: int = 0
    joined: bool = False


def _parses(letters: str, language: _Language, begun: _Sum) -> Iterator[int]:
    """Yields the values of words without spaces, which may be parted in several ways; the longest words first."""
    if begun.at == len(letters):
        if not begun.joined:
            yield begun.total + begun.part
        return
    tables = (language.small, language.large)
    found = [(word, table[word]) for table in tables for word in table if letters.startswith(word, begun.at)]
    for word, value in sorted(found, key=lambda each: -len(each[0])):
        if added := _added(begun, value, language):
            yield from _parses(letters, language, added._replace(at=begun.at + len(word), joined=False))
    for joint in language.joints if begun.at and not begun.joined else ():
        if letters.startswith(joint, begun.at):
            yield from _parses(letters, language, begun._replace(at=begun.at + len(joint), joined=True))


def _added(begun: _Sum, value: int, language: _Language) -> _Sum | None:
    """Returns a number with the value of one more word; None if it cannot stand there."""
    total, part = begun.total, begun.part
    if value >= _THOUSAND:
        if value == begun.scale:
            return None
        greater = 0 < begun.scale < value
        total = (total + part or 1) * value if greater else total + (part or 1) * value
        return begun._replace(total=total, part=0, scale=value)
    if value == _HUNDRED and 0 < part < _HUNDRED:
        return begun._replace(part=part * value)
    follows = _follows(part, value, turned=language.turned and begun.joined)
    return begun._replace(part=part + value) if follows else None


def _follows(part: int, value: int, *, turned: bool) -> bool:
    """Returns whether a number below 1,000 may stand behind another part of the same one."""
    if turned:
        return 0 < part % 100 < 10 and value % 10 == 0 and 20 <= value < 100
    if value >= _HUNDRED:
        return part == 0
    return part % 100 == 0 or (part % 10 == 0 and part % 100 >= 20 and 0 < value < 10)


def _korean(found: re.Match[str]) -> tuple[Fraction, bool] | None:
    read = han(found["number"].replace(" ", "").translate(_HANGUL))
    if read is None or not (found["unit"] or found["end"] or len(found["number"]) > 1):
        return None
    return (read[0] / 100, True) if found["unit"] == "퍼센트" else read
