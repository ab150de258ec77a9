"""The opening of a reply to a prefill: does it continue the prefill, repeat it first, or start anew?

No provider says which. A provider that ignores the prefill, or sends it back first, would give the text twice. A new
text may begin with any letter, so a provider that is not known to go on from prefills must show that it does.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from itertools import takewhile
from typing import Final

from lightrouter.adapter.text.anew import clearly_continues, has_its_words, is_written_anew

# The lengths in this module are choices, tried on the replies in the unit test.
# A reply whose first characters, without white space, agree with those of the prefill repeats it or starts anew. A text
# that continues begins with white space or inside a word: there, agreement of 8 is no chance. After white space it may
# be a refrain, so 24 are needed.
_AGREES: Final = 8
_AGREES_AFTER_BLANK: Final = 24
# A prefill that the reply repeats as a whole may be shorter: 4 different characters, or a short word on its own.
_LEAST: Final = 4
_LEAST_AFTER_BLANK: Final = 12
_VARIED: Final = 4
_SHORT_WORD: Final = re.compile(r"[A-Z][a-z]{1,2}[.!]?")
# The last word with its combining accents, and the mark before it in an identifier or a path.
_LAST_WORD: Final = re.compile(r"([./\\$@#]?)([\w\u0300-\u036f]+)$")
# A choice: no word of a dictionary is as long.
_LONGEST_WORD: Final = 64
# A new sentence, heading or bold print: no text continues so directly after a letter, without a space.
_NEW_SENTENCE: Final = re.compile(
    r"(?:[A-Z][a-z]+|I|A)(?:['\u2019][a-z]+)?[,:;!]?\s+[\"\u201c(*_]*[A-Za-zÀ-ÿ]"
    r"|[A-Z][a-z]+[.!]?\s*\Z|#{1,6} \S|\*\*[A-Z]"
)
# Choices: the characters of a reply that is one word, after which it is a new text; and those of a prefill to compare.
_ENOUGH_CHARACTERS: Final = 40
_MOST_COMPARED: Final = 400


class PrefillUse(Enum):
    """The use that a reply makes of its prefill."""

    CONTINUED = auto()
    """It continues the prefill."""
    ECHOED = auto()
    """It repeats the prefill, then continues it."""
    RESTARTED = auto()
    """It starts anew."""


class Opening:
    """Holds back the start of a reply until its use of the prefill is known, and removes a repeated prefill.

    Attributes:
        prefill_use: The use that the reply makes of the prefill; None until it is known.
        is_doubtful: Whether the reply may continue the prefill and its start does not show it.
    """

    def __init__(
        self,
        prefill: str,
        *,
        echoes: bool = False,
        may_restart: bool = True,
        trusted: bool = True,
        begins_blank: bool = False,
        think: str = "",
    ) -> None:
        """Expects a reply to `prefill`.

        Args:
            prefill: The text from which the model goes on.
            echoes: Whether the provider is known to repeat it.
            may_restart: Whether the provider may ignore it; a raw prompt cannot be ignored.
            trusted: Whether the provider is known to go on from prefills.
            begins_blank: Whether it is known to begin texts with white space.
            think: The tag that opens hidden reasoning; a reply that begins with it starts anew. Empty if `prefill` ends
                inside hidden reasoning.
        """
        self.prefill_use: PrefillUse | None = None if prefill.strip() else PrefillUse.CONTINUED
        self._prefill = prefill
        self._echoes = echoes
        self._may_restart = may_restart
        self._trusted = trusted
        self._begins_blank = begins_blank
        self.is_doubtful = False
        self._think = think if prefill else ""
        self._held: list[str] = []
        self._exact = True
        # The characters of the prefill that the reply has repeated so far: exactly, then without white space.
        self._matched = 0
        self._compact = ""
        self._compact_matched = 0

    def feed(self, text: str) -> str:
        """Takes `text`; returns the new text that is settled now, without a repeated prefill."""
        if self.prefill_use is not None or not text:
            return text
        self._held.append(text)
        if self.is_doubtful:
            return ""
        if self._exact:
            expected = self._prefill[self._matched : self._matched + len(text)]
            if text.startswith(expected):
                self._matched += len(expected)
                return self._echoed(text[len(expected) :]) if self._matched == len(self._prefill) else ""
            self._exact = False
        if not self._compact_matched:
            text = "".join(self._held)
        return self._compare(text, ended=False)

    @property
    def may_be_doubtful(self) -> bool:
        """Whether it is still open that the whole reply counts for nothing."""
        return self.prefill_use is None and not self._trusted

    def end(self, *, cut: bool, read: bool | None = None) -> str:
        """Returns the text that was held back, nothing of a reply that stays doubtful.

        Args:
            cut: Whether a limit ended the reply.
            read: Whether the model went on from the prefill, by the provider's counts; None if they do not tell.
        """
        text = "" if self.prefill_use is not None or self.is_doubtful else self._ended(cut=cut)
        if not self.is_doubtful:
            return text
        held = "".join(self._held)
        if read is None and not is_written_anew(self._prefill, held):
            return ""
        self.is_doubtful = False
        self.prefill_use = PrefillUse.CONTINUED if read else PrefillUse.RESTARTED
        return held

    def _ended(self, *, cut: bool) -> str:
        held = "".join(self._held)
        compact = "".join(held.split())
        self._compact = self._compact or "".join(self._prefill.split())
        if compact and self._compact.startswith(compact) and self._agrees(len(compact)):
            # The whole reply is the start of the prefill: a limit cut the echo, or a shorter answer was written anew.
            self.prefill_use = PrefillUse.ECHOED if cut or not self._may_restart else PrefillUse.RESTARTED
            return held if self.prefill_use is PrefillUse.RESTARTED else ""
        self._compact_matched = 0
        return self._compare(held, ended=True)

    def _compare(self, text: str, *, ended: bool) -> str:
        """Compares `text` with the rest of the prefill, both without white space."""
        compact = "".join(text.split())
        if not self._compact and compact[:1] in {"", self._prefill.lstrip()[:1]}:
            self._compact = "".join(self._prefill.split())
        expected = self._compact[self._compact_matched : self._compact_matched + len(compact)]
        if self._compact and compact.startswith(expected):
            self._compact_matched += len(expected)
            if self._compact_matched == len(self._compact):
                return self._echoed(text[_index_after(text, len(expected)) :])
            if not ended:
                return ""
        agree = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(expected, compact, strict=False)))
        held = "".join(self._held)
        if self._may_restart:
            new = self._agrees(self._compact_matched + agree) or self._restarts(held, ended=ended)
            if new is None:
                # It is too short to tell; the whole is compared again when more has come.
                self._compact_matched = 0
                return ""
            if new:
                self.prefill_use = PrefillUse.RESTARTED
                return held
        return self._continued(held, ended=ended)

    def _continued(self, held: str, *, ended: bool) -> str:
        if not self._trusted:
            clear = clearly_continues(self._prefill, held, begins_blank=self._begins_blank)
            if clear is None and held and not ended:
                self._compact_matched = 0
                return ""
            if not (clear or (ended and clear is None and held and not has_its_words(self._prefill, held))):
                self.is_doubtful = True
                return ""
        self.prefill_use = PrefillUse.CONTINUED
        return held

    def _echoed(self, rest: str) -> str:
        """Returns `rest`, which follows a repeated prefill; returns all if the repetition may be chance."""
        held = "".join(self._held)
        if self._echoes or self._is_distinctive(held, rest):
            self.prefill_use = PrefillUse.ECHOED
            return rest
        return self._continued(held, ended=False)

    def _is_distinctive(self, held: str, rest: str) -> bool:
        compact = "".join(self._prefill[:_MOST_COMPARED].split())
        if self._after_blank(held):
            least = _LEAST_AFTER_BLANK
        elif _SHORT_WORD.fullmatch(compact):
            return not rest[:1].isalnum()
        else:
            least = _LEAST
        # A text that repeats itself continues as it began.
        repeats = (compact + compact).find(compact, 1) < len(compact)
        return len(compact) >= least and len(set(compact)) >= _VARIED and not repeats

    def _agrees(self, size: int) -> bool:
        held = "".join(self._held)
        least = _AGREES_AFTER_BLANK if self._after_blank(held) else _AGREES
        return size >= least and len(set(self._compact[:size])) >= _VARIED

    def _after_blank(self, held: str) -> bool:
        return held[:1].isspace() and not self._prefill[:1].isspace()

    def _restarts(self, held: str, *, ended: bool) -> bool | None:
        """Returns whether a reply with other words starts anew; None if more of it is needed to tell."""
        begun = held.lstrip()
        if self._think and begun.startswith(self._think):
            return True
        if self._think and self._think.startswith(begun) and not ended:
            return None
        if begun != held or not self._prefill[-1:].isalpha() or self._prefill.count("```") % 2:
            return False
        if _may_be_name(self._prefill):
            return False
        if begun[:2] == "**" and self._prefill.count("**") % 2:
            return False
        if not ended and begun.rstrip() == begun and re.fullmatch(r"[A-Z#*]\S*", begun):
            return None if len(begun) < _ENOUGH_CHARACTERS else False
        if not ended and re.fullmatch(r"\S+\s+", begun):
            return None
        return bool(_NEW_SENTENCE.match(begun))


def _may_be_name(prefill: str) -> bool:
    """Returns whether a capital may follow `prefill` without a space, so that a capital proves nothing.

    It may inside a name with inner capitals (Java|Script, e|Bay, iPhone|Pro, Électro|Bank, x86_64|Linux), and in
    scripts without capitals, which need no space before a foreign name: 使用|Google Chrome.
    """
    last = _LAST_WORD.search(prefill[-_LONGEST_WORD:])
    if last is None:
        return False
    word = unicodedata.normalize("NFC", last[2])
    return bool(last[1]) or len(word) < 2 or not all(letter.islower() for letter in word)


def _index_after(text: str, count: int) -> int:
    """Returns the index in `text` after its first `count` characters that are not white space."""
    index = 0
    while count:
        count -= not text[index].isspace()
        index += 1
    return index
