r"""Where a text announces its answer: "The answer is 42", "#### 42", `\boxed{42}`, "Antwort: 42", "答案是 42"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

import re2

# The lengths and numbers in this module are choices: an answer and the words before it take far less. The unit tests of
# choices and numbers have the forms that they were tried on. A text states its answer near its end.
_MOST_CHARACTERS: Final = 8_192
_MOST_SPAN: Final = 240
# Only the last places and announcements of a text are read.
_BLOCK: Final = 512
_LONGEST_PLACE: Final = 16
_MOST_PLACES: Final = 32
_MOST_ANNOUNCEMENTS: Final = 16
# Words for "answer", "solution" and the like with which models announce one. A word may have its own endings.
_WORDS: Final = (
    "answers?|ans|solutions?|results?|choice|option|conclusion"
    "|(?:end)?antwort|l\u00f6sung|(?:end)?ergebnis|option|r\u00e9ponse|solution|r\u00e9sultat|respuesta|soluci\u00f3n|resultado"
    "|opci\u00f3n|alternativa|gabarito|\u0432\u0430\u0440\u0438\u0430\u043d\u0442|\u0627\u0644\u062e\u064a\u0627\u0631|\u06af\u0632\u06cc\u0646\u0647|\u0935\u093f\u0915\u0932\u094d\u092a"
    "|resposta|solu\u00e7\u00e3o|op\u00e7\u00e3o|risposta|soluzione|risultato|opzione|antwoord|uitkomst|svar(?:et)?"
    "|vastaus"
    "|wynik|v\u00fdsledok|v\u00fdsledek|eredm\u00e9ny|rezultat|sonu\u00e7|k\u1ebft qu\u1ea3|hasil(?:nya)?|jibu|sagot"
    "|\u0440\u0435\u0437\u0443\u043b\u044c\u0442\u0430\u0442|\u0627\u0644\u0646\u062a\u064a\u062c\u0629|\u0627\u0644\u0646\u0627\u062a\u062c|\u092a\u0930\u093f\u0923\u093e\u092e"
    "|odpowied\u017a|odpov\u011b\u010f|v\u00e1lasz|r\u0103spuns(?:ul)?|cevap|cevab\u0131|yan\u0131t|jawaban(?:nya)?"
    "|\u0111\u00e1p (?:\u00e1n|s\u1ed1)|c\u00e2u tr\u1ea3 l\u1eddi"
    "|\u043e\u0442\u0432\u0435\u0442(?:\u043e\u043c)?|\u0432\u0456\u0434\u043f\u043e\u0432\u0456\u0434\u044c"
    "|\u043e\u0442\u0433\u043e\u0432\u043e\u0440"
    "|\u03b1\u03c0\u03ac\u03bd\u03c4\u03b7\u03c3\u03b7|\u05ea\u05e9\u05d5\u05d1\u05d4"
    "|\u05d4\u05ea\u05e9\u05d5\u05d1\u05d4"
    "|\u0627\u0644\u0625\u062c\u0627\u0628\u0629|\u0627\u0644\u0627\u062c\u0627\u0628\u0629"
    "|\u0627\u0644\u062c\u0648\u0627\u0628|\u067e\u0627\u0633\u062e|\u062c\u0648\u0627\u0628"
    "|\u0909\u0924\u094d\u0924\u0930|\u091c\u0935\u093e\u092c|\u0989\u09a4\u09cd\u09a4\u09b0|\u0bb5\u0bbf\u0b9f\u0bc8"
)
# Scripts that put no space between words.
_UNSPACED: Final = (
    "\u7b54\u6848|\u7b54(?=[:\uff1a])|\u6b63\u786e\u9009\u9879|\u6b63\u78ba\u9078\u9805|\u9009\u62e9|\u9078\u64c7"
    "|\u6545\u9009|\u6545\u9078|\u5e94\u9009|\u61c9\u9078|\u7ed3\u679c|\u7d50\u679c"
    "|\u6b63\u3057\u3044\u306e|\u9069\u5207\u306a\u306e|\u7b54\u3048|\u6b63\u89e3|\u56de\u7b54|\u89e3\u7b54|\u89e3\u306f|\uc815\ub2f5"
    "|\uacb0\uacfc|\ub2f5(?=[\uc740\ub294:\uff1a ])|\ub2f5\ubcc0|\u0e04\u0e33\u0e15\u0e2d\u0e1a"
)
# Words between the announcing word and the answer. Without them it is an ordinary word: "to answer the question".
_LEADS: Final = (
    r"is|are|was|be|becomes|equals?|as|(?:comes|works)\s+(?:out\s+)?to|amounts?\s+to|ist|lautet|betr\u00e4gt|vaut|w\u00e4re|est|es|ser\u00eda|\u00e9|\u00e8|er|\u00e4r|on|jest|je"
    r"|este|adalah|ialah|l\u00e0|ay|ni|\u0628\u0631\u0627\u0628\u0631(?:\s+\u0628\u0627)?"
    r"|\u044d\u0442\u043e|\u0440\u0430\u0432\u0435\u043d|\u0440\u0430\u0432\u043d\u043e|\u0440\u0430\u0432\u043d\u044f\u0435\u0442\u0441\u044f|\u0454|\u03b5\u03af\u03bd\u03b1\u03b9|\u05d4\u05d9\u05d0|\u05d4\u05d5\u05d0|\u0647\u064a"
    r"|\u0647\u0648|\u0627\u0633\u062a|\u0939\u0948|\u09b9\u09b2\u09cb"
)
_UNSPACED_LEADS: Final = (
    r"\u5e94\u8be5\u662f|\u61c9\u8a72\u662f|\u5e94\u4e3a|\u662f|\u4e3a|\u70ba|\u9009|\u9078|\u306f|\u304c|\uc740"
    r"|\ub294|\uc774|\u0e04\u0e37\u0e2d"
)
# Words that the answer may follow directly.
_FOLLOWED: Final = (
    "\u0909\u0924\u094d\u0924\u0930|\u091c\u0935\u093e\u092c|\u0989\u09a4\u09cd\u09a4\u09b0|\u0bb5\u0bbf\u0b9f\u0bc8|cevap|cevab\u0131"
    "|yan\u0131t|sonu\u00e7|(?:odpowied\u017a|wynik)\\s+to|v\u00e1lasz(?:\\s+az?)?|\u043e\u0442\u0432\u0435\u0442|\u067e\u0627\u0633\u062e(?:\\s+(?:\u0635\u062d\u06cc\u062d|\u062f\u0631\u0633\u062a))?(?:\\s+\u06af\u0632\u06cc\u0646\u0647)?|\u092a\u0930\u093f\u0923\u093e\u092e|\u0e15\u0e2d\u0e1a"
)
_SIGNS: Final = r"[|:=\u2248~\uff1a\uff1d\u2192\u2794]|\u2014|=>|->"
# What an answer that was corrected by another one is followed by: "no, C", "Actually, it's 17".
_END: Final = (
    r"(?=[(\[\"'$]*(?:[A-Z](?![\w'-]|\.\s?[A-Z]\w)|[-+$\u20ac\u00a3]{0,2}\d[\d.,/]*(?<![.,]))"
    r"[)\]\"'$%]*\s*(?:[.!;)\n\u3002\uff01\u3040-\u30ff\uac00-\ud7af]|$))"
)
_AGAIN: Final = (
    r"(?:(?:it|that|this)(?:'s|\s+is|\s+should\s+be|\s+must\s+be|\s+would\s+be)\s+|make\s+(?:it|that)\s+|should\s+be\s+|i\s+meant?\s+"
    r"|es\s+(?:ist\s+)?|c'est\s+|[\u00e9\u00e8]\s+|\u044d\u0442\u043e\s+)?(?:option\s+)?"
)
_CORRECTED: Final = (
    r"(?<![^\W\d_])(?:actually|oops|sorry|wait|rather|correction|on\s+second\s+thoughts?|i\s+meant?|(?:hmm|no|nope|nein|moment|warte|non|n\u00e3o|\u043d\u0435\u0442)(?=,))"
    rf"[,:.\u2026]*\s*(?:(?:no|wait|actually),?\s+)?{_AGAIN}{_END}"
    r"|(?:\u4e0d\u5bf9|\u4e0d\u5c0d|\u7b49\u7b49|\u7b49\u4e00\u4e0b|\u9519\u4e86|\u4e0d)[\uff0c,]\s*(?:\u5e94\u8be5|\u61c9\u8a72)?[\u662f\u9009\u9078\u4e3a]?\s*"
    + _END
    + r"|(?:\u3044\u3084|\u3044\u3048|\uc544\ub2c8)[\u3001,]\s*"
    + _END
    + rf"|wait\b[^\n.]{{1,80}}?\bso\s+{_AGAIN}{_END}"
)
_ANNOUNCED: Final = re.compile(
    # The verb follows what it says, or there is none.
    rf"(?<![^\W\d_])(?:{_FOLLOWED})(?:\s+\u0935\u093f\u0915\u0932\u094d\u092a)?(?=\s*(?:[-+$]?\d|[(\[\"']?[A-Z](?!\w)))"
    rf"|(?<![^\W\d_])(?:{_WORDS})(?![^\W\d_])(?:[^\n:=.;?!\uff1a\uff1d\u3002]{{0,60}}?)"
    rf"(?:(?<![^\W\d_])(?:{_LEADS})(?![^\W\d_])\s*:?|{_SIGNS})"
    # "Option B", "choice (c)", "\u0909\u0924\u094d\u0924\u0930 B": the letter itself follows.
    rf"|(?<![^\W\d_])(?:{_WORDS})(?![^\W\d_])(?=\s*[(\[\"']?[A-Za-z\u0391-\u03a7\u0410-\u0425](?![\w'-]))"
    rf"|(?<![^\W\d_])(?:{_WORDS})\s+-(?=\s)|(?<![^\W\d_])ans\.(?=\s)"
    rf"|(?<=[<\[])(?:{_WORDS}|final)[>\]]|(?<=<final_)answer>|(?<=<final)answer>|(?<=[<\[]final )answer[>\]]"
    rf"|{_CORRECTED}"
    rf"|(?:{_UNSPACED})[^\n:=.\uff1a\uff1d\u3002]{{0,20}}?(?:{_UNSPACED_LEADS}|{_SIGNS}|(?=\s*[(\uff08]?[A-Z0-9]))"
    r"|(?<!\u4e0d)[\u9009\u9078](?=\s*[(\[\"\uff08]?[A-Z](?![A-Za-z]))"
    r"|(?<![^\W\d_])(?:choose|pick|select|go\s+(?:with|for)|opt\s+for|therefore,?|hence,?|thus,?)"
    r"(?=\s*(?:option\s+|choice\s+)?[(\[\"']?[A-Z](?![\w'-]))"
    r"|(?<!\#)\#{3,6}(?=\s)|(?<=\\)f?box(?:ed)?\b",
    re.IGNORECASE | re.MULTILINE,
)
# A quick search for the places where an announcement may begin.
_PLACE: Final = re2.compile(
    f"(?i){_WORDS}|\u6b63\u3057\u3044\u306e|\u9069\u5207\u306a\u306e|\u7b54|\u9009|\u9078|\u7ed3\u679c|\u7d50\u679c|\u6b63\u89e3|\u6b63\u786e|\u6b63\u78ba|\u89e3"
    f"|\u56de\u7b54"
    "|\u0e15\u0e2d\u0e1a|\u6545|\u5e94|\u61c9|\uc815\ub2f5|\ub2f5|\u0e04\u0e33|choose|pick|select|go with|go for"
    "|opt for|therefore|hence|thus|#{3,6}|f?box|\\bfinal[>\\]]"
    "|actually|oops|sorry|wait|rather|correction|second thought|i mean"
    "|\\b(?:hmm|no|nope|nein|moment|warte|non|n\u00e3o),|\u043d\u0435\u0442,"
    "|\u4e0d\u5bf9|\u4e0d\u5c0d|\u7b49|\u9519\u4e86|\u4e0d[\uff0c,]|\u3044[\u3084\u3048]|\uc544\ub2c8"
)
_MARKS: Final = re.compile(r"[*`_]+")
_STRUCK: Final = re.compile(r"~~[^~\n]{1,80}~~")
_NOT: Final = re.compile(
    r"\s*(?:(?:definitely|certainly|clearly|surely|of course)\s+)?(?:not|never|n[o']t|nicht|kein\w*|pas|no|non"
    r"|niet|inte|ikke|\u043d\u0435|nie)\b"
    r"|\s*(?:\u4e0d|\u5e76\u975e|\u4e26\u975e|\u0939\u0940\u0902)",
    re.IGNORECASE,
)
# A denial before the verb: "cannot be", "no es", "n\u00e3o \u00e9", "\u4e0d\u662f".
_DENIES: Final = re.compile(
    r"(?:\b(?:cannot|not|never|no|n[\u00e3a]o|non|\u043d\u0435|nie)|n't)\s+\S+\s*$"
    r"|(?:\u4e0d|\u5e76\u975e|\u4e26\u975e|\u4e0d\u5e94\u8be5|\u4e0d\u61c9\u8a72)(?:\u662f|\u4e3a|\u70ba)?$",
    re.IGNORECASE,
)
# A denial after what it denies, like "de\u011fil", "\u3067\u306f\u306a\u304f" and "\uc544\ub2c8\ub77c".
_DENIED: Final = re.compile(
    r"[^\n.]{1,24}?(?:\u3067\u306f\u306a[\u304f\u3044]|\u3058\u3083\u306a[\u304f\u3044]|\u3067\u306a[\u304f\u3044]"
    r"|\uc544\ub2c8(?:\ub77c|\uace0|\uba70|\ub2e4)|de\u011fil|\u0928\u0939\u0940\u0902)\s*,?"
)
# Words that take back what was said before: "No, wait", "scratch that".
_RETRACTED: Final = re.compile(
    r"\b(?:no,? wait|wait,? no|actually,? no|scratch that|correction:|i (?:have )?made an? (?:mistake|error)"
    r"|nein,? warte|non,? attend\w*"
    r"|attend\w*,? non|no,? espera|espera,? no)\b|(?:^|[\n\u3002\uff01.!] ?)\u4e0d\u5bf9[\uff0c,]",
    re.IGNORECASE,
)
# "I don't think the answer is B"
_DOUBTED: Final = re.compile(
    r"(?:n't|\bnot|\bnever|\bcannot|\bnicht) (?:think|believe|say|agree|claim|denke|glaube)\b[^.!?\n]{0,24}$"
    r"|\bdoubt\b[^.!?\n]{0,24}$|(?:n't|\bnot|\bnever|\bnicht|\u4e0d)\s*$",
    re.IGNORECASE,
)
# "42 is the answer", "I get 42 as my final answer", with the position after the last word.
_SAID_BEFORE: Final = re.compile(
    r"(?:^|[\s(\"$])((?:[A-Z]|[^\s:=]*\d[^\s:=]*)[)\"]?(?:\s[a-z]+)?)\s+(?:is|was|as)\s+"
    r"(?:clearly\s+|definitely\s+)?(?:the|my|our)\s+(?:[a-z]+\s+){0,2}$"
)
_POINTERS: Final = frozenset({"the", "my", "our"})
# A choice: the characters before an announcement that may state the answer.
_MOST_BEFORE: Final = 80
# Lines that begin with letters are the answers to several questions.
_LIST: Final = re.compile(r"\s*\n(?:\s*\(?[A-Z][).:] [^\n]*\n){2}")
# A line that is only a heading: the next line states the answer.
_HEADING: Final = re.compile(rf"(?:{_WORDS})[ \t]*(?=\n)", re.IGNORECASE)
# A choice: a longer line is a sentence.
_MOST_HEADING: Final = 16
_INSTEAD: Final = re.compile(
    r"\b(?:but|rather|instead|sondern|mais|sino|mas|ma|maar|\u0430|it\s+is|it's)\b|\u800c\u662f", re.IGNORECASE
)
# White space and marks before the answer, such as those of a quotation, a list, a table or a formula.
_LEADING: Final = re.compile(r"(?:\n\s*[-\u2022]\s+(?=\S)|[\s:\uff1a|>]|\\\[|\$\$|```\w*\n)*")
_SENTENCE_END: Final = re.compile(r"\n|[\u3002\uff1b]|;(?!\s*-?\d[\d.,/]*\s*(?:[.\n]|$))|[.!?](?=\s+[^\s\d]|\s*$)")


def unmarked(text: str) -> str:
    """Returns `text` without Markdown marks around words; a * or _ within a word or a product stays."""
    # Most texts have no mark, and to look for one takes a tenth of the time.
    if "~~" in text:
        text = _STRUCK.sub("", text)
    return _MARKS.sub(_mark, text) if "*" in text or "`" in text or "_" in text else text


def _mark(found: re.Match[str]) -> str:
    before, behind = (
        found.string[max(0, found.start() - 1) : found.start()],
        found.string[found.end() : found.end() + 1],
    )
    if before == behind == " " and found[0] == "*":
        # A product: 6 * 7.
        return found[0]
    # 10**-3
    power = behind == "-" and found.string[: found.start()].endswith("10")
    within = (before.isalnum() or before == ")") and (behind.isalnum() or behind == "(" or power)
    return found[0] if within and "`" not in found[0] else ""


def announcements(text: str) -> Iterator[str]:
    r"""Yields what each announcement in `text` announces, up to the end of its sentence; the last one first.

    For `\boxed{...}` that is the text in the braces. A denied answer is left out ("not 4 but 5" gives 5).
    The text must be plain and without Markdown marks; only its last 8,192 characters are read.
    """
    yield from islice(_announcements(text[-_MOST_CHARACTERS:]), _MOST_ANNOUNCEMENTS)


def unretracted(text: str) -> str:
    """Returns `text` behind the last words that take back what was said before: "No, wait"."""
    end = max((found.end() for found in _RETRACTED.finditer(text)), default=0)
    return text[end:]


def _announcements(text: str) -> Iterator[str]:
    for place in islice(_places(text), _MOST_PLACES):
        said = _said(text, place)
        if said.strip():
            yield said


def _places(text: str) -> Iterator[int]:
    """Yields the places where an announcement may begin, the last one first; searches block by block."""
    for begin in range(len(text) - _BLOCK, -_BLOCK, -_BLOCK):
        start, end = max(0, begin), begin + _BLOCK
        found = (start + each.start() for each in _PLACE.finditer(text[start : end + _LONGEST_PLACE]))
        yield from reversed([place for place in found if place < end])


def _said(text: str, place: int) -> str:
    """Returns what the announcement at `place` announces; "" if there is none or it only denies."""
    # The pattern ends in a space, so it is tried only after one.
    if place and text[place - 1] == " " and (before := _said_before(text[max(0, place - _MOST_BEFORE) : place])):
        return before
    found = _ANNOUNCED.match(text, place) or _heading(text, place)
    if found is None:
        return ""
    if "box" in found[0]:
        return _boxed(text, found.end())
    if found[0].lower().startswith("answers") and _LIST.match(text, found.end()):
        return ""
    if _DOUBTED.search(text[max(0, place - _MOST_BEFORE) : place]):
        return ""
    said = _sentence(text, found.end())
    if (denied := _NOT.match(said)) or _DENIES.search(found[0]):
        instead = _INSTEAD.search(said, denied.end() if denied else 0)
        return said[instead.end() :] if instead else ""
    denied = _DENIED.match(said)
    return said[denied.end() :] if denied else said


def _said_before(text: str) -> str | None:
    """Returns what stands before "is the ", "was my first " and the like at the end of a text; None without them."""
    # The last words tell in a tenth of the time that most texts end in no such words.
    if _POINTERS.isdisjoint(text.split()[-3:]):
        return None
    found = _SAID_BEFORE.search(text)
    return found[1] if found else None


def _heading(text: str, place: int) -> re.Match[str] | None:
    short = place - text.rfind("\n", 0, place) <= _MOST_HEADING
    return _HEADING.match(text, place) if short else None


def _sentence(text: str, begin: int) -> str:
    """Returns the text up to the end of the sentence, the next line if this one is empty; "" for a question."""
    rest = text[begin : begin + _MOST_SPAN]
    lead = found.end() if (found := _LEADING.match(rest)) else 0
    end = _SENTENCE_END.search(rest, lead)
    if end and end[0][0] == "?":
        # A question announces nothing.
        return ""
    return rest[lead : end.start() if end else None]


def _boxed(text: str, begin: int) -> str:
    """Returns the text in a pair of braces, inner braces included; the rest of the line if there are no braces."""
    rest = text[begin : begin + _MOST_SPAN].lstrip()
    if not rest.startswith("{"):
        return rest.partition("\n")[0].split(" ")[0]
    depth = 0
    for place, character in enumerate(rest):
        depth += (character == "{") - (character == "}")
        if not depth:
            return rest[1:place]
    return ""
