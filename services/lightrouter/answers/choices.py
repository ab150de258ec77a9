r"""The letter that a text chooses among lettered options: `B`, "(b)", "**Answer**: B", `\boxed{\text{B}}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from string import ascii_uppercase
from typing import Final

from lightrouter.answers.alphabets import latin, uncircled
from lightrouter.answers.announced import announcements, unmarked, unretracted
from lightrouter.answers.documents import documents
from lightrouter.answers.judged import BETWEEN, NOUN, RIGHT, RIGHT_BEHIND, WRONG, judged, right_column
from lightrouter.answers.labelled import names_a_thing
from lightrouter.answers.plain import plain, without_tex

MOST_CHOICES: Final = 26
"""The number of letters."""
# The lengths and numbers in this module are choices: an answer is near the end of a text, and short if it stands
# alone.
_MOST_CHARACTERS: Final = 8_192
_MOST_FILLER: Final = 48
_MOST_ALONE: Final = 8
_SEVERAL: Final = "several"
# The characters in which unannounced letters are searched, and the maximum number of letters.
_MOST_UNANNOUNCED: Final = 4_096
_MOST_LETTERS: Final = 128
_WHOLE: Final = re.compile(
    rf"(?:(?:letter|{NOUN})\s*)?" + r"[\s\"'(\[{<]*([A-Za-z])[\s\"')\]}>.,:;!]*",
    re.IGNORECASE,
)
# A letter at the start of a text or line, like an option's: "B) because", "B. Paris", "(B) Paris", "B: Paris".
_LEADING: Final = re.compile(
    r"^[ \t>#\"'-]*(?:[(\[]([A-Za-z])[)\]]|([A-Z])\s?[).:\u3001](?!\w)|([a-z])[).](?=\s))"
    r"|\A([B-HJ-Z])[ \t](?=[A-Z\d\"])|\A([a-z])(?=,?[ ](?:because|since)\b|[ ]-[ ])",
    re.MULTILINE,
)
_LABEL: Final = re.compile(r"(?<!\w)([A-Z])[).:](?=\s+\w)")
_NUMBERING: Final = re.compile(r"[(\[][a-z][)\]]")
# A letter of a script with spaces between words: a letter next to one is part of a word.
_IN_WORD: Final = (
    r"[^\W\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
_STANDING: Final = re.compile(
    rf"(?<!{_IN_WORD})(?<!['-])(?<!{_IN_WORD}[/(])(?<!\b[A-Za-z]\.)([(\[\"]?)([A-Za-z])([)\]\"]?)(?!{_IN_WORD}|'(?!(?:d|t)[i\u0131u\u00fc]r)|-{_IN_WORD}|\.{_IN_WORD}|\+\+|#)"
)
# A letter that may stand alone in an ASCII text; this search takes a tenth of the time (measured).
_SINGLE: Final = re.compile(r"\b[A-Za-z]\b", re.ASCII)
# A letter in single quotes, which elsewhere are apostrophes.
_QUOTED: Final = re.compile(rf"'(?<!{_IN_WORD}')([A-Za-z])'(?!{_IN_WORD})")
# Two letters with at most a word or sign between them are chosen together, or an open choice: neither is chosen.
# Without a list of words that join, since every language has its own. "A and B are wrong" does not count.
_JOINED: Final = re.compile(
    r"[)\]\"]?[ \t]{0,2}[,;]?[ \t]{0,2}(?:[^\w\s.:,;!?()\[\]{}\"'\u3002\uff0c\u2705\u2713\u2714]{1,2}"
    r"|(?P<word>vs\.|(?:[^\W\d_A-Z]|[\u0900-\u0d7f\u0e31-\u0e4e]){1,8}(?:[ /](?:or|da|well as|also|possibly|maybe))?))?"
    r"[ \t]{0,2}(?:(?:and|or|possibly|maybe|perhaps|also)[ \t]{1,2})?(?:options?[ \t]{1,2})?"
    r"[(\[\"']?(?P<other>[A-Z])[)\]\"']?"
    r"(?=\s*(?:$|[.,;:!?)\]}\n\"'&/|\u3001\u3002]|(?:are|both|and|or|together)\b|[^\x00-\x7f]))"
)
_CONTRAST: Final = frozenset((
    "both", "neither", "all", "none", "\u9009", "\u9078",
    "but", "not", "no", "over", "than", "then", "beats", "because", "since", "as", "if", "so", "nicht", "pas", "statt",
    "sondern", "mais", "sino", "mas", "ma", "maar", "men", "\u0430", "\u800c\u662f", "\u4e0d\u9009", "\u4e0d\u9078",
))  # fmt: skip
# Several letters and no other word.
_LETTERS: Final = re.compile(
    r"[\s(\[\"]*[A-Za-z](?:[)\]\"]*[ \t]*(?:[ \t,;:.&/+>?|-]|and)[ \t]*(?:and[ \t]+)?[(\[\"]*[A-Za-z])+"
    r"[\s)\]\".!?]*"
)
# "A" and "I" are words too: they are letters only if no word of a sentence follows.
_NO_WORD: Final = re.compile(
    r"\s*(?:$|[.,;:!?)\]\"\n=\u3002\uff0c\u3001/]|(?:because|since|as|and|or|but|which|is|was|are|not|if|for|due|with|rather|given|would|should|must|would)\b|[^\x00-\x7f])",
    re.IGNORECASE,
)
_DENIED_BEFORE: Final = re.compile(
    r"(?:\b(?:none\s+of\s+(?:[A-Z],?\s+(?:(?:or|and|nor)\s+)?){0,9}|not|(?:not|cannot|can't|couldn't)\s+be|isn't|neither|nor|never|excludes?|excluding|eliminates?|eliminating"
    r"|eliminated|than|unlike|reject\w*|out|instead\s+of|(?:anything|everything|all|any)\s+but|except(?:\s+for)?"
    r"|apart\s+from|doubt|n[\u00e3a]o(?:\s+\u00e9)?|no\s+es|non(?:\s+\u00e8)?|n'est\s+pas|pas|nicht|niet|inte|ikke|nie|nem|bukan|kh\u00f4ng\s+ph\u1ea3i|\u0e44\u0e21\u0e48\u0e43\u0e0a\u0e48(?:\s+\u0e02\u0e49\u0e2d)?"
    r"|weder|noch|ni|n\u00e9|\u043d\u0435|\u043d\u0438|\u043d\u0435\u0442|\u0644\u064a\u0633\u062a?"
    r"|vitamin|plan|type|hepatitis|figure|appendix|part|class|group|grade|point|step|case|section|schedule|exhibit|table|title|item"
    r"|company|person|matrix|event|blood\s+type|series|e\.g\.|if)"
    r"|(?:n't|\bnot|\bnever|\bcannot)\s+(?:think|believe|say)(?:\s+(?:that|it's|it\s+is|the\s+answer\s+is))*"
    r"|\u4e0d\u662f|\u6392\u9664|\u7ef4\u751f\u7d20|\u7dad\u751f\u7d20|\u30d3\u30bf\u30df\u30f3|\ube44\ud0c0\ubbfc|\u975e|\u4e0d(?:\u80fd|\u5e94|\u61c9)?[\u9009\u9078])\s*(?:option|choice|answers?)?\s*[(\"]?$",
    re.IGNORECASE,
)
_DENIED_BEHIND: Final = re.compile(
    r"\s{0,4}[)\"]?\s{0,4}(?:(?:is|are|was|were|seems?|looks?|would\s+be|can(?:'t|not)\s+be|cannot\s+be|isn't|aren't|wasn't|doesn't|does\s+not)\s+)?"
    r"(?:\b(?:wrong|incorrect|false|not|invalid|out|tempting|ruled|eliminated|excluded|impossible)\b"
    r"|\bisn't\b|\bdoesn't\b|\bcan't\b|\bcannot\b"
    r"|(?:\u662f)?[\u9519\u932f]|\u4e0d(?:\u5bf9|\u5c0d|\u6b63|\u7b26|\u662f)|(?:\u306f|\u304c)?(?:\u9593\u9055|\u8aa4)"
    r"|[\u3067\u3058](?:\u306f|\u3082|\u3083)|(?:\uac00|\uc774|\ub3c4|\ub294|\uc740)?\s?(?:\uc544\ub2c8|\uc544\ub2d9|\ud2c0)"
    rf"|{BETWEEN}{WRONG})",
    re.IGNORECASE,
)
_CONFIRMED: Final = re.compile(
    r"\s{0,4}[)\"]?\s{0,4}(?:(?:is|seems|looks|appears\s+to\s+be|must\s+be|would\s+be|ist|est|es|est\u00e1|\u00e8|\u00e9|\u00e4r|er|to|je"
    r"|jest|\u2014|\u044d\u0442\u043e|\u044f\u0432\u043b\u044f\u0435\u0442\u0441\u044f|l\u00e0|adalah|\u0647\u0648|\u0647\u064a|se\u00e7ene\u011fi|\u015f\u0131kk\u0131)\s+)"
    r"(?:(?:the|your|clearly|definitely|most\s+likely|probably|die|la|le|a|o|il|het|bonne|r\u00e4tt)\s+)*"
    r"(?:best|answer|antwort|r\u00e9ponse|respuesta|resposta|risposta|svar\w*|\u0111\u00e1p\s+\u00e1n(?!\s+sai)|jawaban(?!\s+yang\s+salah)|\u0627\u0644\u062c\u0648\u0627\u0628|\u0627\u0644\u0625\u062c\u0627\u0628\u0629|\u0627\u0644\u0635\u062d\u064a\u062d\u0629?"
    rf"|{RIGHT})(?!\w)"
    rf"|\s?{BETWEEN}{RIGHT_BEHIND}"
    r"|\s*\u662f\u5bf9"
    r"|[)\].: -]{1,4}(?:right|correct|true|yes|\u2705|\u2713|\u2714)(?!\w)",
    re.IGNORECASE,
)
# A small letter without brackets needs a verb behind it, or before it and nothing behind it. In other languages than
# English a small vowel is a word.
_SMALL: Final = re.compile(
    r"(?<![\w'.-])([a-z])(?=\)?\s(?:is|seems|looks|must\s+be|would\s+be|should\s+be"
    r"|(?<=[b-df-hj-np-tv-xz]\s)(?:ist|es|\u00e8|\u00e9|\u00e4r|jest|to))"
    r"\s(?:(?:clearly|definitely|probably|most\s+likely|indeed|the|die|la|la\s+opci\u00f3n)\s)*"
    rf"(?:only\s|best|answer|choice|option|one\b|{RIGHT}))"
    r"|(?:\b(?:it|that|one|option|choice|correct|right)(?:'s|\s+is)|\b(?:must|should|has\s+to)\s+be|\bcorrect:)\s([a-z])"
    rf"(?=[).]*\s*(?:$|[.,;\n]))|(?:^|[.,;\n]\s?)([a-z])\s?[:)]\s{{0,2}}(?={RIGHT})",
    re.IGNORECASE,
)
# A letter behind a number is a unit, one before = a variable, one between two names an initial.
_UNIT: Final = re.compile(r"\d[ \t]{0,2}\u00b0?[ \t]?\Z|\w\|\Z|\u00b0[ \t]?\Z")
_VARIABLE: Final = re.compile(r"[ \t]{0,2}(?:=(?!>)|[\u00d7^<])")
_NAME: Final = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof)\."
    r"|\b(?!(?:So|Thus|Hence|Then|Therefore|Option|Choice|Answer|Letter|Is|It)\b)[A-Z][a-z]{2,15}) \Z"
)
_SURNAME: Final = re.compile(r"\. [A-Z][a-z]")
# "The best buy is (G)": brackets that hold no formula.
_IS: Final = re.compile(r"\b(?:is|be|ist|est|es)\s[(\[]([A-Z])[)\]](?!\s?[-+*/=^\u00d7])")
_CHECKED: Final = re.compile(r"(?:\[x\]|\(x\)|[\u2611\u2705\u2713\u2714])[ \t]*\Z", re.IGNORECASE)
# What may follow a letter that is chosen: the end of a clause, or words that do not deny it. Words of other languages
# that stand behind a space may.
_ENDED: Final = re.compile(
    r"[)\]\"]{0,4}\s{0,4}(?:\Z|[^\w\s]|\n|(?<!\s)[^\x00-\x7f]|\(|(?:because|since|as|fits?|works?|remains?|holds|seems|looks|wins"
    r"|follows|matches|makes|must|should|would|over|rather|instead|and|or|but|which|for|given|due|from|by|with|here|it|is\s+(?:the|what|it|best|better))\b)",
    re.IGNORECASE,
)
# Additions to the word that counts in the keys of documents: "correctAnswer", "Final Answer", "answer_letter".
_FILLING: Final = re.compile(r"[^a-z]|correct|right|final|best|letter$")
_KEYS: Final = (
    "answer",
    "choice",
    "option",
    "",
    "selected",
    "selection",
    "prediction",
    "result",
)


def answer_letter(text: str, choices: int = MOST_CHOICES) -> str | None:
    """Returns the letter that `text` chooses among the first `choices` capital letters; None if it chooses none.

    In this order: the text is the letter; it is a JSON document that states it; its table of options has one right
    column; it announces the letter, the last announcement first; it is the only one of several options that the text
    judges right; a letter is called the right one; a line begins with it, as options do, and no line with another one;
    it is the last capital letter that stands alone, is not denied and names nothing else. Only the last 8,192
    characters are read.
    """
    letters = frozenset(ascii_uppercase[:choices])
    spelt = unretracted(_QUOTED.sub(r'"\1"', unmarked(plain(uncircled(text[-_MOST_CHARACTERS:])))))
    texless = without_tex(spelt)
    found = _whole(texless) or _stated(text)
    if found:
        return found if found in letters else None
    if (
        len(texless) <= _MOST_FILLER
        and _LETTERS.fullmatch(texless)
        and len({*_SINGLE.findall(texless.upper())} & letters) > 1
    ):
        return None
    if (column := right_column(texless)) in letters:
        return column
    for said in announcements(spelt):
        letter = _first(latin(without_tex(said), spelt), letters)
        if letter == _SEVERAL:
            # Only what follows may decide between them.
            texless = without_tex(spelt[spelt.rfind(said) + len(said) :])
            break
        if letter:
            return letter
    if head := _line_alone(text, spelt):
        return head if head in letters else None
    return _unannounced(_without_list(texless[-_MOST_UNANNOUNCED:]), letters)


def _unannounced(clean: str, letters: frozenset[str]) -> str | None:
    """Returns the letter that a text chooses without an announcement."""
    single = list(_alone(clean))
    standing = [
        each
        for each in list(_standing(clean, single, letters))[-_MOST_LETTERS:]
        if not _is_quantity(clean, each[1], each[2])
    ]
    labels = _labels(clean)
    if (listed := judged(clean)) in letters:
        return listed
    confirmed = [
        letter
        for letter, begin, end in standing
        if (_CONFIRMED.match(clean, end) or _CHECKED.search(clean[max(0, begin - _MOST_ALONE) : begin]))
        and not _DENIED_BEFORE.search(clean[max(0, begin - _MOST_FILLER) : begin])
    ]
    if confirmed := confirmed or [each[1] for each in _IS.finditer(clean) if each[1] in letters]:
        return confirmed[-1]
    if small := _small(clean, letters):
        return small
    standing = [each for each in standing if each[1] not in labels]
    leading = {"".join(each).upper() for each in _LEADING.findall(clean)} & letters
    if len(leading) == 1 and not labels:
        return str(leading.pop())
    return _last_standing(clean, single, standing, letters) if standing else None


def _small(text: str, letters: frozenset[str]) -> str | None:
    """Returns the last small letter without brackets that a text calls right; None without one."""
    found = [
        letter.upper()
        for each in _SMALL.finditer(text)
        if (letter := str(each[each.lastindex or 0])).islower()
        and letter.upper() in letters
        and not _denied(text, *each.span(each.lastindex or 0))
    ]
    return found[-1] if found else None


def _last_standing(
    text: str,
    single: Sequence[re.Match[str]],
    standing: Sequence[tuple[str, int, int]],
    letters: frozenset[str],
) -> str | None:
    """Returns the last of the standing letters that is neither denied nor chosen together with another one."""
    joined = {place for each in single[-2 * _MOST_LETTERS :] for place in _joined(text, *each.span(), letters)}
    for letter, begin, end in reversed(standing):
        chosen = joined.isdisjoint(range(begin, end)) and not _denied(text, begin, end) and _ENDED.match(text, end)
        if chosen and not names_a_thing(text, begin):
            return letter
    return None


def _line_alone(text: str, spelt: str) -> str | None:
    """Returns the letter that is the first line of a text; None if that is longer, or another line is a letter too."""
    first, gap, rest = text.lstrip()[:_MOST_FILLER].partition("\n")
    found = _whole(without_tex(unmarked(plain(first)))) if gap and len(first.strip("*_` ")) <= _MOST_ALONE else None
    if not found or not rest.strip():
        return None
    others = (line for line in {*spelt.splitlines()} if 0 < len(line) <= _MOST_ALONE)
    return found if all(_whole(without_tex(line)) in {None, found} for line in others) else None


def _joined(text: str, begin: int, end: int, letters: frozenset[str]) -> tuple[int, ...]:
    """Returns the positions of a letter and the next one if they are chosen together; else none."""
    found = _JOINED.match(text, end - (text[end - 1] in ')]"'))
    if (
        not found
        or found["other"] not in letters
        or found["other"] in text[begin:end]
        or found["word"] in _CONTRAST
        or _denied(text, begin, end)
    ):
        return ()
    if text[begin:end] == "I" and found["word"] not in {None, "and", "or"}:
        # I think B
        return ()
    return *range(begin, end), found.start("other")


def _without_list(text: str) -> str:
    """Returns `text` without its small letters in brackets, if there are several: those number a list."""
    several = len(set(_NUMBERING.findall(text))) > 1
    return _NUMBERING.sub("", text) if several else text


def _whole(text: str) -> str | None:
    """Returns the letter if the text, which has no TeX, is only a letter; else None."""
    text = text.strip()
    if len(text) > _MOST_FILLER:
        return None
    if found := re.fullmatch(r"\\?boxed\s*\{(.*)\}[.]?", text):
        text = found[1]
    found = _WHOLE.fullmatch(latin(text, text))
    return found[1].upper() if found else None


def _stated(text: str) -> str | None:
    """Returns the letter that a JSON document states; None if the text is not JSON or states none."""
    if "{" not in text:
        return None
    for document in documents(text):
        try:
            value = json.loads(document)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            stated = {_FILLING.sub("", str(key).lower()): each for key, each in value.items()}
            for key in _KEYS:
                if isinstance(found := stated.get(key), str) and found:
                    said = latin(plain(found).strip(), found)
                    leading = _WHOLE.fullmatch(said) or _LEADING.match(said)
                    if leading:
                        return str(next(filter(None, leading.groups()))).upper()
    return None


def _first(said: str, letters: frozenset[str]) -> str | None:
    """Returns the first letter in an announcement, if it comes soon and is not denied."""
    for found in _alone(said[:_MOST_FILLER]):
        letter = found[2].upper()
        enclosed = bool(found[1] and found[3])
        if letter not in letters or _denied(said, found.start(), found.end()):
            continue
        if found[2].isupper() and _joined(said, found.start(), found.end(), letters):
            return _SEVERAL
        rest = said[found.end() :].strip(" .,:;!?)\"'")
        # In a script without spaces a word may follow at once.
        ends = not rest or not rest[0].isascii() or rest[0] in "<{}"
        numbering = re.match(r"[).:](?:\s|$)|[,;] ?not\b|,?\s(?:because|since)\b", said[found.end() - bool(found[3]) :])
        if found[2].islower() and not (enclosed or ends or numbering):
            continue
        if found[2] in "AI" and not enclosed and not numbering and not _NO_WORD.match(said, found.end()):
            continue
        return letter
    return None


def _alone(text: str) -> Iterator[re.Match[str]]:
    """Yields the letters that are not part of a word, with the brackets or quotes around them."""
    if not text.isascii():
        yield from _STANDING.finditer(text)
        return
    for single in _SINGLE.finditer(text):
        letter = single.start()
        enclosed = text[letter - 1 : letter] in {"(", "[", '"'}
        if found := (enclosed and _STANDING.match(text, letter - 1)) or _STANDING.match(text, letter):
            yield found


def _labels(text: str) -> frozenset[int]:
    """Returns the positions of the labels of a list of options, A) to D); none without a list."""
    labels = list(islice(_LABEL.finditer(text), MOST_CHOICES + 1))
    listed = len(labels) > 1 and "".join(label[1] for label in labels) == ascii_uppercase[: len(labels)]
    return frozenset(label.start() for label in labels) if listed else frozenset()


def _is_quantity(text: str, begin: int, end: int) -> bool:
    """Whether a letter is a unit (25 °C), a variable (B = 3) or an initial (Harry S. Truman)."""
    before = text[max(0, begin - _MOST_FILLER) : begin]
    return text[begin].isalpha() and bool(
        _UNIT.search(before) or _VARIABLE.match(text, end) or (_NAME.search(before) and _SURNAME.match(text, end))
    )


def _standing(text: str, single: Iterable[re.Match[str]], letters: frozenset[str]) -> Iterator[tuple[str, int, int]]:
    """Yields the single letters that may be a choice, with their positions: capitals, or small ones in brackets."""
    for found in single:
        enclosed = bool(found[1] and found[3])
        if found[2].upper() not in letters or (found[2].islower() and not (enclosed and found[1] != '"')):
            continue
        follows = _CONFIRMED.match(text, found.end()) or re.match(
            r"\s*(?:$|[).:;,\]\n]|(?:because|since)\b)", text[found.end() :][:_MOST_ALONE]
        )
        if found[2] in "AI" and not enclosed and not follows:
            continue
        yield found[2].upper(), found.start(), found.end()


def _denied(text: str, begin: int, end: int) -> bool:
    return bool(_DENIED_BEFORE.search(text[max(0, begin - 40) : begin]) or _DENIED_BEHIND.match(text, end))
