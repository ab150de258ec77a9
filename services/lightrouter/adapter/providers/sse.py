"""Server-sent events, parsed from a body that comes in arbitrary chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lightrouter.adapter import faults

ERROR = "error"
"""The kind of an event that is an error."""

# A choice: far above any event seen; a server that sends more fails instead of filling the memory.
_MAX_LINE_BYTES = 1024 * 1024
_MOST_LINES = 4096
_FIELDS = (b"data", b"event", b"error")


class Event(NamedTuple):
    """One event."""

    kind: str
    """The value of its `event` field; empty if there is none."""
    data: str
    """Its data; LF joins the lines."""


class EventParser:
    """Parses events. Chunks may end anywhere, also inside a character.

    Lines end with LF, CRLF or CR. It reads the fields `data`, `event` and `error`; llama.cpp's server sends errors in
    the last. A line that begins like a JSON object is an event, because providers write errors so into a stream.
    `close` returns a last event without a blank line after it, which some providers leave out.
    """

    def __init__(self, max_line_bytes: int = _MAX_LINE_BYTES) -> None:
        """Refuses lines and events of more than `max_line_bytes`."""
        self._max_line_bytes = max_line_bytes
        self._rest = bytearray()
        self._kind = ""
        self._data: list[str] = []
        self._size = 0
        self._begun = False
        self._ended_with_cr = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yields each event that ends in `chunk`.

        Raises:
            UpstreamError: A line is too long, or is not UTF-8.
        """
        if self._ended_with_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        lines = chunk.split(b"\n")
        if self._rest or len(lines) == 1:
            # A line is parsed once, when its end has come, not at each chunk.
            self._keep(lines[0])
            if len(lines) == 1:
                return
            lines[0] = bytes(self._rest)
            self._rest.clear()
        self._keep(lines.pop())
        for line in lines:
            if line:
                event = self._line(line)
            elif self._data or self._kind:
                event = self._ended()
            else:
                continue
            if event:
                yield event

    def close(self) -> Iterator[Event]:
        """Yields the last event if no blank line ended it.

        Raises:
            UpstreamError: The last line is not UTF-8.
        """
        line = bytes(self._rest)
        self._rest.clear()
        for event in (self._line(line) if line else None, self._ended()):
            if event:
                yield event

    def _keep(self, part: bytes) -> None:
        self._rest += part
        if len(self._rest) > self._max_line_bytes:
            raise faults.too_large(self._max_line_bytes)

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._ended_with_cr:
            chunk = chunk.removeprefix(b"\n")
        self._ended_with_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes) -> Event | None:
        """Takes a line; returns an event if the line alone is one."""
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.startswith(b"{"):
            return Event("", _text(line))
        name, _, value = line.partition(b":")
        if name not in _FIELDS:
            return None
        self._size += len(line)
        if self._size > self._max_line_bytes:
            raise faults.too_large(self._max_line_bytes)
        text = _text(value[1:] if value[:1] == b" " else value)
        if name == b"event":
            self._kind = text
            return None
        if name == b"error":
            self._kind = ERROR
        if len(self._data) == _MOST_LINES:
            raise faults.malformed(f"an event of more than {_MOST_LINES} lines")
        self._data.append(text)
        return None

    def _ended(self) -> Event | None:
        """Returns the event that a blank line ends; None if it has no data and is no error."""
        event = Event(self._kind, "\n".join(self._data)) if self._data or self._kind == ERROR else None
        self._kind = ""
        self._data.clear()
        self._size = 0
        return event


def _text(line: bytes) -> str:
    try:
        # A line ends at an ASCII byte, so it never ends inside a character.
        return str(line, "utf-8")
    except UnicodeDecodeError:
        raise faults.malformed("text that is not UTF-8") from None
