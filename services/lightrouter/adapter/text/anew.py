"""A whole reply to a prefill, judged at its end: does it continue the prefill, or was it written anew after all?

The opening does not tell if a new text begins in lower case or in a script without capitals. The whole reply and the
token counts tell more.

The numbers in this module are choices, tried on 7,500 cuts of recorded answers to AlpacaEval and MMLU-Pro, at any
character: of the rests, 0.2 % were called new, and 0.07 % by `begins_with_word`. Of the answers of another model to the
same prompt, put in lower case, 37 % were called new. The unit test has such texts in 14 scripts.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from typing import Final

from lightrouter.answers.scripts import WORD, shadow, unspaced

# The letters that are compared, and the share of them that must be alike.
_COMPARED: Final = 48
_ALIKE: Final = 0.85
# Fewer letters may agree by chance. In scripts without spaces, a letter says as much as 4 letters of the others.
_LEAST_COMPARED: Final = 24
_LEAST_DIFFERENT: Final = 4
_UNSPACED_WEIGHT: Final = 4
# The characters that are read of the start of a prefill, and of a prompt, the end of a prefill and a reply.
_MOST_OPENING: Final = 400
_MOST_CONTEXT: Final = 4000
# Shorter words are often parts of others: mill|ion, Par|is, and the article in Arabic.
_LEAST_WORD: Final = 3
_WORD: Final = re.compile(WORD)
# A word at the end that is no part of a name in code or of a path.
_LAST_WORD: Final = re.compile(rf"(?<![.\\/$@#_0-9A-Za-z])({WORD})$")
# Token counts of one conversation vary by a few, for example by a line break. A shorter prefill proves nothing.
_SAME_COUNT: Final = 4
_LEAST_TOKENS: Final = 16


def is_written_anew(prefill: str, text: str) -> bool:
    """Returns whether `text`, a whole reply to `prefill`, has the start of the prefill again.

    It may have it anywhere, whatever its case, marks and white space; or nearly the same letters at its own start.
    """
    start = _letters(prefill[:_MOST_OPENING])[:_COMPARED]
    return _is_distinctive(start) and (start in _letters(text) or _begins_alike(start, text))


def is_unread(prefill_tokens: int, before: int, now: int) -> bool:
    """Returns whether the provider dropped the prefill before the model read it, by its own counts of the prompt.

    Args:
        prefill_tokens: The tokens of the prefill, at least.
        before: The input tokens of the same conversation without a prefill; 0 if unknown.
        now: The input tokens with the prefill.
    """
    # A count that has become smaller leaves out something else, such as cached tokens.
    return bool(before) and prefill_tokens >= _LEAST_TOKENS and abs(now - before) <= _SAME_COUNT


def can_be_judged(prefill: str, prefill_tokens: int, before: int) -> bool:
    """Returns whether a reply would show that a provider ignored the prefill.

    The counts show it, and so does the start of a reply, unless the prefill ends in a script without spaces: there, a
    new text and the rest of a text begin alike. The arguments are those of `is_unread`.
    """
    last = next((character for character in reversed(prefill[-_MOST_CONTEXT:]) if character.isalnum()), "")
    return not (last and unspaced(last)) or (bool(before) and prefill_tokens >= _LEAST_TOKENS)


def clearly_continues(prefill: str, text: str) -> bool:
    """Returns whether `text` begins as no new text does: with a space or a mark that ends a word or a sentence."""
    return bool(prefill.strip() and text) and (text[0].isspace() or shadow(text[0]) in set(",.;:!?)]}"))


def begins_with_word(prefill: str, text: str, prompt: str) -> bool:
    """Returns whether `text` begins with a whole word although only the rest of a word could continue the prefill.

    A whole word occurs in the prompt or the prefill, and neither of them has the two parts as one word. Compounds look
    like that too (Haupt|stadt), so this counts only for a provider that has never clearly continued.

    Args:
        prefill: The text that the reply should continue.
        text: The visible text of the reply.
        prompt: The request of the user.
    """
    begin, end = text[:_MOST_CONTEXT], prefill[-_MOST_CONTEXT:]
    first, last = _WORD.match(shadow(begin)), _LAST_WORD.search(shadow(end))
    if not first or not last or end.count("```") % 2:
        return False
    if any(letter.isupper() for letter in end[last.start() + 1 :]):
        # Parts of names with inner capitals are words: iPhone|pro.
        return False
    word, part = _folded(begin[: first.end()]), _folded(end[last.start() :])
    if min(len(word), len(part)) < _LEAST_WORD or word == part:
        return False
    known = _words(prompt[-_MOST_CONTEXT:]) | _words(end[: last.start()])
    return word in known and part + word not in known | _words(begin[first.end() :])


def _begins_alike(start: str, text: str) -> bool:
    """Returns whether a text without white space at its start begins with nearly the letters of `start`."""
    new = _letters(text[:_MOST_OPENING])
    size = min(len(start), len(new))
    if text[:1].isspace() or not _is_distinctive(start[:size]):
        return False
    return SequenceMatcher(None, start[:size], new[:size], autojunk=False).ratio() >= _ALIKE


def _words(text: str) -> set[str]:
    return {_folded(text[match.start() : match.end()]) for match in _WORD.finditer(shadow(text))}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _letters(text: str) -> str:
    """Returns the letters with their marks and the digits of a text, folded."""
    folded = _folded(text)
    return folded if folded.isalnum() else "".join(filter(_is_letter, folded))


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _is_distinctive(letters: str) -> bool:
    weight = sum(_UNSPACED_WEIGHT if unspaced(letter) else 1 for letter in letters)
    # A text that repeats itself continues as it began.
    repeats = (letters + letters).find(letters, 1) < len(letters)
    return weight >= _LEAST_COMPARED and len(set(letters)) >= _LEAST_DIFFERENT and not repeats
