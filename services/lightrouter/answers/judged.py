"""Which option of a list a text calls right: "A: wrong, B: right", "| C | ✓ |", "A: falsch, B: richtig"."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from typing import Final

RIGHT_BEHIND: Final = (
    r"(?:(?:stimmt|richtig|korrekt|trifft\s+zu|poprawn\w*|prawidłow\w*|doğru\w*|đúng|benar|верн\w*|правильн\w*|подходит"
    r"|вірн\w*|صحيحة?|صحیح|درست)(?!\w)"
    r"|सही|সঠিক|ถูกต้อง|ถูก(?!\w)|正[确確]|[对對](?![于於应應比])|符合|正しい|正解|맞[습는아다음]|옳|정답)"
)
"""Matches a word that calls the option before it right without a verb between them."""
RIGHT: Final = (
    r"(?:(?:correct|right|true|yes|richtige?|korrekte?|wahr|vraie?|justes?|correcte?|exacte?"
    r"|correct[oa]|verdader[oa]|ciert[oa]|corret[oa]|cert[oa]|verdadeir[oa]|corrett[oa]|giust[oa]|esatt[oa]|ver[oa]"
    r"|juist|waar|rätt|riktigt?|rigtigt?|sant?|oikein|oikea|správn\w*|helyes|corect[ăa]?)(?!\w)"
    rf"|{RIGHT_BEHIND}|[○◯✅✓✔☑])"
)
"""Matches a word or sign that calls an option right."""
WRONG: Final = (
    r"(?:(?:incorrect|wrong|false|no(?!\s+doubt)|invalid|not\s+(?:correct|right|true|the\s+\w+)|falsch\w*|inkorrekt\w*|unzutreffend"
    r"|nicht\s+\w+|faux|fausses?|incorrecte|inexacte?|incorrect[oa]|fals[oa]|erróne[oa]|equivocad[oa]|incorret[oa]"
    r"|errad[oa]|sbagliat[oa]|errat[oa]|scorrett[oa]|fout|onjuist|onwaar|fel|feil|forkert|väärin|väärä"
    r"|błędn\w*|niepoprawn\w*|nieprawidłow\w*|nesprávn\w*|helytelen|greșit[ăa]?|incorect[ăa]?|yanlış\w*|sai|salah"
    r"|неверн\w*|неправильн\w*|не\s+\w+|невірн\w*|خطأ|خاطئة?|نادرست|غلط)(?!\w)"
    r"|गलत|ভুল|ผิด|(?:是)?[错錯]|不(?:正[确確]|[对對]|符)|間違|誤|正しくな|틀|오답|맞지|옳지|[✗✘❌]|×(?!\s?[\w\\({]))"
)
"""Matches a word or sign that calls an option wrong."""
NOUN: Final = (
    r"(?:option|choice|answer|statement|opci[oó]n|opção|alternativa|letra|respuesta|resposta|risposta|opzione|réponse"
    r"|antwort|aussage|optie|antwoord|alternativ|opcja|odpowiedź|вариант|ответ|пункт|seçenek|şık|đáp án|phương án|câu"
    r"|pilihan|opsi|jawaban|الخيار|گزینه|विकल्प|选项|選項|選択肢|선택지|보기|ข้อ|ตัวเลือก)"
)
"""Matches a word for an option."""
BETWEEN: Final = (
    r"(?:(?:is|are|was|seems|looks|this\s+is|that\s+is|it\s+is|appears\s+to\s+be|ist|est|c'est|es|está|é|è|är|er|on|jest"
    r"|là|adalah|является|это|هو|هي|است|seçeneği|şıkkı)\s+|(?:选项|選項|[项項]|번)?\s?(?:[是이가은는はが]|도)?\s*)"
)
"""Matches what may stand between an option and the word that judges it."""
_START: Final = rf"(?:{NOUN}\s*)?[(\[\"]?[A-Z](?![A-Za-z'])"
# Several options in one line: after a full stop, a semicolon or a comma.
_SPLIT: Final = re.compile(
    rf"\n|[;；]\s*|[ ]{{2,}}(?=[A-Z]\s?[):])|(?<=[.!。！])\s*(?=(?:L'|La\s|Le\s|Die\s)?{_START})"
    r"|[,，、]\s*(?=[A-Z](?![A-Za-z']))|\s(?=ข้อ\s)",
    re.IGNORECASE,
)
_OPTION: Final = re.compile(
    rf"(?i:[\W\d_]{{0,12}}(?:(?:L'|La\s|Le\s|Die\s)?(?P<noun>{NOUN})\s*)?)[(\[\"]?(?P<letter>[A-Z])(?![A-Za-z'])"
)
_AT_ONCE: Final = re.compile(rf"[\s)\]\".:,|—→-]*{BETWEEN}?(?:(?P<wrong>{WRONG})|{RIGHT})", re.IGNORECASE)
_LABELLED: Final = re.compile(r"\s?[)\].:|—-]")
_AT_END: Final = re.compile(
    rf"(?<![A-Za-z\u00c0-\u024f\u0370-\u052f])(?:(?P<wrong>{WRONG})|{RIGHT})[^\w○◯✅✓✔☑×✗✘❌]*$", re.IGNORECASE
)
_IS: Final = re.compile(
    rf"\b(?:this|that|it)\s+is\s+(?:clearly\s+|also\s+)?(?:(?P<wrong>{WRONG})|{RIGHT})", re.IGNORECASE
)
# A table whose columns are the options: a row of letters, and below it a row of verdicts.
_HEAD: Final = re.compile(rf"(?:{NOUN}\s*)?[(\[]?(?P<letter>[A-Z])[)\].:]*", re.IGNORECASE)
_YES: Final = rf"(?:{RIGHT}|(?:ja|oui|s[íi]|sim|da|да|так|tak|evet|так|نعم|بله)(?!\w)|是|はい|예|네|हाँ)"
_NO: Final = rf"(?:{WRONG}|(?:nein|non|não|nee|nej|nei|нет|ні|nie|hayır|لا|خیر)(?!\w)|否|いいえ|아니[오요]|नहीं|[-—–x])"
_CELL: Final = re.compile(rf"\W?(?:(?P<wrong>{_NO})|{_YES}).{{0,24}}", re.IGNORECASE)
_AGAINST: Final = re.compile(rf"{WRONG}|eliminat|ruled\s+out|exclud|reject", re.IGNORECASE)
# Choices: one verdict alone is not a list, a longer part is prose, and an option seldom takes more than five parts.
_FEWEST_JUDGED: Final = 2
_MOST_PART: Final = 400
_MOST_PARTS: Final = 128


def judged(text: str) -> str | None:
    """Returns the only letter that a text calls right where it judges several options; None without such a list."""
    verdicts: dict[str, bool] = {}
    for part in _SPLIT.split(text)[-_MOST_PARTS:]:
        option = _OPTION.match(part) if part and len(part) <= _MOST_PART else None
        if option is None:
            continue
        rest = part[option.end() :]
        labelled = option["noun"] or _LABELLED.match(rest)
        found = _AT_ONCE.match(rest) or (labelled and (_IS.search(rest) or _AT_END.search(rest)))
        if found:
            verdicts[option["letter"]] = not found["wrong"]
    right = [letter for letter, verdict in verdicts.items() if verdict]
    return right[0] if len(verdicts) >= _FEWEST_JUDGED and len(right) == 1 else None


def right_column(text: str) -> str | None:
    """Returns the only letter that a table calls right whose columns are the options; None without such a table."""
    if "|" not in text and "\t" not in text:
        return None
    letters: list[str] = []
    for line in text.splitlines()[-_MOST_PARTS:]:
        cells = [cell.strip() for cell in re.split(r"\t|\|", line.strip().strip("|"))]
        heads = [head["letter"].upper() if (head := _HEAD.fullmatch(cell)) else "" for cell in cells]
        if sum(map(bool, heads)) >= _FEWEST_JUDGED and all(heads[1:]):
            letters = heads
        elif len(cells) == len(letters) and (letters[0] or not _AGAINST.search(cells[0])):
            verdicts = [(letter, _CELL.fullmatch(cell)) for letter, cell in zip(letters, cells, strict=True) if letter]
            right = [letter for letter, verdict in verdicts if verdict and not verdict["wrong"]]
            if len(right) == 1 and all(verdict for _, verdict in verdicts):
                return right[0]
    return None
