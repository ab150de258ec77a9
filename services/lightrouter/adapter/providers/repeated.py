"""Events that differ in their text alone, as nearly all of a stream do: only the text is read."""

from __future__ import annotations

import json
from typing import Final

_decoder: Final = json.JSONDecoder()


class RepeatedEvents:
    """Reads the text of events that have the JSON of an earlier one in front of their text, and behind it."""

    def __init__(self, member: str) -> None:
        """Expects the text in the member of this name."""
        self._mark = f'"{member}":'
        self._head = self._tail = ""

    def text(self, data: str) -> str | None:
        """Returns the text of an event; None if it differs in more from the one that was learnt."""
        if not self._head or not data.startswith(self._head) or not data.endswith(self._tail):
            return None
        try:
            text, end = _decoder.raw_decode(data, len(self._head) - 1)
        except ValueError:
            return None
        return str(text) if len(data) - end == len(self._tail) else None

    def learn(self, data: str, text: str) -> None:
        """Learns an event that has `text` in the member, and else what says nothing of a text."""
        head, mark, rest = data.partition(self._mark)
        begin = len(head) + len(mark) + len(rest) - len(rest.lstrip())
        # Not in a string, and not in another object.
        if head[-1:] == "\\" or self._mark in rest or data[begin : begin + 1] != '"':
            return
        found, end = _decoder.raw_decode(data, begin)
        if found == text:
            self._head, self._tail = data[: begin + 1], data[end:]
