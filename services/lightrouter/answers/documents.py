"""The JSON documents in a text."""

from __future__ import annotations

from typing import cast

import re2

_FENCE = re2.compile(r"(?s)```[^\n`]*\n(.*?)```")


def documents(text: str) -> list[str]:
    """Returns what of `text` may be a JSON document: the whole, then the last fenced block where there is one."""
    blocks = cast("list[str]", _FENCE.findall(text)) if "```" in text else []
    return [text, *blocks[-1:]]
