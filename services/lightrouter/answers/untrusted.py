"""Text of unknown origin inside a prompt, marked so that a model can tell it from its instructions."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

_NONCE_BYTES = 8
_CLIPPED = "\n[… left out …]\n"


def random_nonce() -> str:
    """Returns 16 hexadecimal digits that nobody can foresee."""
    return secrets.token_hex(_NONCE_BYTES)


def nonce_for(texts: Sequence[str], source: Callable[[], str] = random_nonce) -> str:
    """Returns a nonce from `source` that none of the texts holds, so that none of them can close its delimiter."""
    while True:
        nonce = source()
        if not any(nonce in text for text in texts):
            return nonce


def delimited(kind: str, label: str, text: str, nonce: str) -> str:
    """Returns `text` between a begin and an end mark that carry the nonce."""
    return f"[BEGIN {kind} {label} {nonce}]\n{text}\n[END {kind} {label} {nonce}]"


def clipped(text: str, characters: int) -> str:
    """Returns `text` with its middle left out where it has more than so many characters."""
    if len(text) <= characters:
        return text
    head = characters // 2
    return text[:head] + _CLIPPED + text[len(text) - (characters - head) :]


def label(index: int) -> str:
    """Returns the label of the index-th text: A to Z, then AA, AB and so on."""
    letters = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
