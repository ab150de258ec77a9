"""The excerpt of a prompt that the model reads, so that a long conversation takes no longer than a short one."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

# Choices: an instruction stands in the first page or the last pages of a prompt, and 24,000 characters are read in
# milliseconds.
_HEAD: Final = 4_000
_GAP: Final = "\n\n"
# The characters of an excerpt, as said above.
_MOST: Final = 24_000
DIGEST_BYTES: Final = 16
"""Bytes of a key of a text: a choice, no two texts are alike by chance."""


def excerpt(prompt: str) -> str:
    """Returns a prompt's first and last characters, at most 24,000 in all: options and questions are at the end."""
    if len(prompt) <= _MOST:
        return prompt
    return prompt[:_HEAD] + _GAP + prompt[_HEAD + len(_GAP) - _MOST :]


def digest(prompt: str) -> bytes:
    """Returns a key that is equal for prompts with equal excerpts; 16 bytes for any length of prompt."""
    told = f"{len(prompt)} {excerpt(prompt)}"
    return blake2b(told.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()
