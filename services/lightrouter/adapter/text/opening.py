"""How a reply begins that was to go on from a text: goes it on, does it repeat the text first, or does it start anew?

No provider says. One that ignores what it is to go on from, or sends it back first, would give the text twice.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from itertools import takewhile
from typing import Final

# A reply that agrees with the begin of the text by so many characters, white space apart, repeats it or starts anew.
# Text that goes on begins with white space, or within a word: there so much agreement is no chance. Behind white space
# it may be a refrain, and has to be longer.
_AGREES: Final = 8
_AGREES_AFTER_BLANK: Final = 24
# A whole text that is shorter is repeated where it has so many characters, or is a short word on its own.
_LEAST: Final = 4
_LEAST_AFTER_BLANK: Final = 12
_VARIED: Final = 4
_SHORT_WORD: Final = re.compile(r"[A-Z][a-z]{1,2}[.!]?")
# The last word, its accents that stand apart, and what stands before it in an identifier or a path.
_LAST_WORD: Final = re.compile(r"([./\\$@#]?)([\w\u0300-\u036f]+)$")
_LONGEST_WORD: Final = 64
# No text goes on like this behind a letter without any space: a sentence, a heading, or bold print begins.
_NEW_SENTENCE: Final = re.compile(
    r"(?:[A-Z][a-z]+|I|A)(?:['\u2019][a-z]+)?[,:;!]?\s+[\"\u201c(*_]*[A-Za-zÀ-ÿ]"
    r"|[A-Z][a-z]+[.!]?\s*\Z|#{1,6} \S|\*\*[A-Z]"
)
_ENOUGH_TO_TELL: Final = 40
_LONGEST_LOOK: Final = 48
_MOST_TELLING: Final = 400


class Joint(Enum):
    """What a reply does with the text that it was to go on from."""

    GOES_ON = auto()
    """It goes on."""
    ECHOED = auto()
    """It repeats the text first."""
    ANEW = auto()
    """It starts anew."""


class Opening:
    """Holds back the begin of a reply until it is known what it does, and takes a repeated text away.

    Attributes:
        joint: What the reply does; None while that is not known.
    """

    def __init__(self, lead: str, *, echoes: bool = False, may_start_anew: bool = True, think: str = "") -> None:
        """Expects a reply to `lead`.

        Args:
            lead: What the model was given to go on from.
            echoes: Whether the provider is known to repeat it.
            may_start_anew: Whether the provider can take it for something else than the begin of its reply.
            think: The tag that opens hidden reasoning, where `lead` does not end within such; a reply that opens with
                it is a new one.
        """
        self.joint: Joint | None = None if lead.strip() else Joint.GOES_ON
        self._lead = lead
        self._echoes = echoes
        self._may_start_anew = may_start_anew
        self._think = think if lead else ""
        self._held: list[str] = []
        self._exact = True
        # How much of the lead the reply has repeated so far: to the letter, then white space apart.
        self._met = 0
        self._solid = ""
        self._solid_met = 0

    def feed(self, text: str) -> str:
        """Returns what of `text`, and of what was held back, is new; all of it where the reply starts anew."""
        if self.joint is not None or not text:
            return text
        self._held.append(text)
        if self._exact:
            expected = self._lead[self._met : self._met + len(text)]
            if text.startswith(expected):
                self._met += len(expected)
                return self._echoed(text[len(expected) :]) if self._met == len(self._lead) else ""
            self._exact = False
        if not self._solid_met:
            text = "".join(self._held)
        return self._compare(text, ended=False)

    def end(self, *, cut: bool) -> str:
        """Returns what was held back, as the reply has ended; `cut` where a limit ended it."""
        if self.joint is not None:
            return ""
        held = "".join(self._held)
        solid = "".join(held.split())
        self._solid = self._solid or "".join(self._lead.split())
        if solid and self._solid.startswith(solid) and self._agrees(len(solid)):
            # The whole reply is a begin of the text: the limit cut the echo, or a shorter answer was written anew.
            self.joint = Joint.ECHOED if cut or not self._may_start_anew else Joint.ANEW
            return held if self.joint is Joint.ANEW else ""
        self._solid_met = 0
        return self._compare(held, ended=True)

    def _compare(self, text: str, *, ended: bool) -> str:
        """Compares `text` with the rest of the lead, white space apart."""
        solid = "".join(text.split())
        if not self._solid and solid[:1] in {"", self._lead.lstrip()[:1]}:
            self._solid = "".join(self._lead.split())
        expected = self._solid[self._solid_met : self._solid_met + len(solid)]
        if self._solid and solid.startswith(expected):
            self._solid_met += len(expected)
            if self._solid_met == len(self._solid):
                return self._echoed(text[_place_after(text, len(expected)) :])
            if not ended:
                return ""
        agree = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(expected, solid, strict=False)))
        held = "".join(self._held)
        if self._may_start_anew:
            new = self._agrees(self._solid_met + agree) or self._begins_anew(held, ended=ended)
            if new is None:
                # It is short, and compared again as a whole when more has come.
                self._solid_met = 0
                return ""
            if new:
                self.joint = Joint.ANEW
                return held
        self.joint = Joint.GOES_ON
        return held

    def _echoed(self, rest: str) -> str:
        """Returns what follows a text that was repeated as a whole, or all of it where that may be chance."""
        held = "".join(self._held)
        if self._echoes or self._is_telling(held, rest):
            self.joint = Joint.ECHOED
            return rest
        self.joint = Joint.GOES_ON
        return held

    def _is_telling(self, held: str, rest: str) -> bool:
        solid = "".join(self._lead[:_MOST_TELLING].split())
        if self._after_blank(held):
            least = _LEAST_AFTER_BLANK
        elif _SHORT_WORD.fullmatch(solid):
            return not rest[:1].isalnum()
        else:
            least = _LEAST
        # A text that repeats itself goes on as it began.
        repeats = (solid + solid).find(solid, 1) < len(solid)
        return len(solid) >= least and len(set(solid)) >= _VARIED and not repeats

    def _agrees(self, size: int) -> bool:
        held = "".join(self._held)
        least = _AGREES_AFTER_BLANK if self._after_blank(held) else _AGREES
        return size >= least and len(set(self._solid[:size])) >= _VARIED

    def _after_blank(self, held: str) -> bool:
        return held[:1].isspace() and not self._lead[:1].isspace()

    def _begins_anew(self, held: str, *, ended: bool) -> bool | None:
        """Returns whether a reply with other words is a new one; None where more of it has to come first."""
        begun = held.lstrip()
        if self._think and begun.startswith(self._think):
            return True
        if self._think and self._think.startswith(begun) and not ended:
            return None
        if begun != held or not self._lead[-1:].isalpha() or self._lead.count("```") % 2:
            return False
        if _may_be_name(self._lead):
            return False
        if begun[:2] == "**" and self._lead.count("**") % 2:
            return False
        if not ended and begun.rstrip() == begun and re.fullmatch(r"[A-Z#*]\S*", begun):
            return None if len(begun) < _ENOUGH_TO_TELL else False
        if not ended and re.fullmatch(r"\S+\s+", begun):
            return None
        return bool(_NEW_SENTENCE.match(begun))


def _may_be_name(lead: str) -> bool:
    """Returns whether `lead` ends where a capital may follow without a space, so that a capital tells nothing.

    That is within a name with capitals inside (Java|Script, e|Bay, iPhone|Pro, Électro|Bank, x86_64|Linux), and in
    scripts without capitals, which need no space before a foreign name: 使用|Google Chrome.
    """
    last = _LAST_WORD.search(lead[-_LONGEST_WORD:])
    if last is None:
        return False
    word = unicodedata.normalize("NFC", last[2])
    return bool(last[1]) or len(word) < 2 or not all(letter.islower() for letter in word)


def gives_twice(lead: str, text: str) -> bool:
    """Returns whether `text`, which went on from `lead`, has the begin of it again somewhere."""
    begin = "".join(lead[:_MOST_TELLING].split())[:_LONGEST_LOOK]
    if len(begin) < _AGREES_AFTER_BLANK or len(set(begin)) < _VARIED:
        return False
    return begin in "".join(text.split())


def _place_after(text: str, count: int) -> int:
    """Returns the place in `text` behind so many characters that are no white space."""
    place = 0
    while count:
        count -= not text[place].isspace()
        place += 1
    return place
