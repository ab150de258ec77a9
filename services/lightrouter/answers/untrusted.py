"""Marks text of unknown origin in a prompt, so that a model can distinguish it from its instructions."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence

# A choice: 56 bits, which no text holds by chance, in few tokens.
_NONCE_BYTES = 7
# A piece of text seldom ends with the start of a nonce, so text is seldom held back.
_NONCE_BEGIN = "zq"
# Characters of a mark on either side of its nonce, with room for what a model makes of it. A choice.
_LONGEST_MARK = 100
_CLIPPED = "\n[… left out …]\n"


def random_nonce() -> str:
    """Returns 16 letters and digits, 14 of which are unpredictable."""
    return _NONCE_BEGIN + secrets.token_hex(_NONCE_BYTES)


def nonce_for(texts: Sequence[str], source: Callable[[], str] = random_nonce) -> str:
    """Returns a nonce from `source` that none of the texts holds, so that none of them can close its delimiter."""
    while True:
        nonce = source()
        if not any(nonce in text for text in texts):
            return nonce


def delimited(kind: str, label: str, text: str, nonce: str) -> str:
    """Returns `text` between a start and an end mark with the nonce."""
    return f"[BEGIN {kind} {label} {nonce}]\n{text}\n[END {kind} {label} {nonce}]"


def clipped(text: str, characters: int) -> str:
    """Returns `text` without its middle if it is longer than the maximum."""
    if len(text) <= characters:
        return text
    head = characters // 2
    return text[:head] + _CLIPPED + text[len(text) - (characters - head) :]


class MarkRemover:
    """Removes marks that a model repeats, and every nonce, from a text that comes in pieces."""

    def __init__(self, nonce: str) -> None:
        """Removes the marks with `nonce`."""
        inside = rf"[^\[\]\n]{{0,{_LONGEST_MARK}}}"
        self._mark = re.compile(rf"\[{inside}{nonce}{inside}\]|{nonce}")
        self._nonce = nonce
        self._held = ""

    def feed(self, text: str) -> str:
        """Returns the part of the held-back text and `text` that is certainly not part of a mark."""
        text = self._held + text
        certain = self._certain(text)
        self._held = text[certain:]
        return self._mark.sub("", text[:certain])

    def end(self) -> str:
        """Returns the held-back text."""
        held, self._held = self._held, ""
        return self._mark.sub("", held)

    def _certain(self, text: str) -> int:
        opened = text.rfind("[")
        if opened >= 0 and len(text) - opened <= 2 * _LONGEST_MARK and not {"]", "\n"} & set(text[opened:]):
            return opened
        sizes = range(min(len(text), len(self._nonce) - 1), 0, -1)
        return len(text) - next((size for size in sizes if self._nonce.startswith(text[-size:])), 0)


def label(index: int) -> str:
    """Returns the label of the index-th text: A to Z, then AA, AB and so on."""
    letters = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
