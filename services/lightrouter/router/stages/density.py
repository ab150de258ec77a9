"""How many tokens a candidate's text takes, by what its boot took."""

from __future__ import annotations

from collections.abc import Iterable

from lightrouter.router.candidates import BootResult
from lightrouter.runtime.tokens import estimate_tokens


class Density:
    """Tokens a character of each candidate, as its provider counted them for the boot."""

    def __init__(self, booted: Iterable[BootResult]) -> None:
        """Takes what the candidates wrote in the boot stage."""
        self._per_character = {
            each.candidate.name: each.text_tokens / len(each.partial.text)
            for each in booted
            if each.text_tokens and each.partial.text
        }

    def of(self, candidate: str, text: str) -> float:
        """Returns the tokens of a text by a candidate; estimated by its bytes where the boot showed nothing."""
        density = self._per_character.get(candidate)
        return float(estimate_tokens(text)) if density is None else density * len(text)
