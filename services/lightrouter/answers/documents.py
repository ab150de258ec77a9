"""The JSON documents in a text."""

from __future__ import annotations

from typing import Final

_FENCE: Final = "```"


def documents(text: str) -> list[str]:
    """Returns the parts of `text` that may be a JSON document: the whole, then the last fenced block, if any."""
    # Every other part stands between two fences; the last part is behind them, or its fence is open.
    blocks = text.split(_FENCE)[1:-1:2]
    if not blocks:
        return [text]
    _, line_end, body = blocks[-1].partition("\n")
    return [text, body if line_end else blocks[-1]]
