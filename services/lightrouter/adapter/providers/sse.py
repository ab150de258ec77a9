"""Server-sent events out of a body that comes in arbitrary pieces."""

from __future__ import annotations

from collections.abc import Iterator

from lightrouter.adapter import faults

_MAX_LINE_BYTES = 1024 * 1024


class EventParser:
    """Gives the data of each event. Pieces may be cut anywhere, also within a character.

    Lines end with LF, CRLF or CR; of the fields only `data` is read. An event without a blank line after it is given by
    `close`, since some providers leave that line out at the end.
    """

    def __init__(self, max_line_bytes: int = _MAX_LINE_BYTES) -> None:
        """Refuses lines, and events, of more than `max_line_bytes`."""
        self._max_line_bytes = max_line_bytes
        self._rest = b""
        self._data: list[str] = []
        self._size = 0
        self._begun = False
        self._ended_with_cr = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yields the data of each event that `chunk` ends.

        Raises:
            UpstreamError: A line is too long, or no UTF-8.
        """
        if self._ended_with_cr or b"\r" in chunk:
            chunk = self._with_line_feeds(chunk)
        block = self._rest + chunk if self._rest else chunk
        lines = block.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._max_line_bytes:
            raise faults.too_large(self._max_line_bytes)
        for line in lines:
            if line:
                self._line(line)
            elif self._data:
                yield self._event()

    def close(self) -> str | None:
        """Returns the data of a last event that has no blank line after it, if there is one.

        Raises:
            UpstreamError: Its last line is no UTF-8.
        """
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        return self._event() if self._data else None

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._ended_with_cr:
            chunk = chunk.removeprefix(b"\n")
        self._ended_with_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes) -> None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.startswith(b"data") or line[4:5] not in {b":", b""}:
            return
        self._size += len(line)
        if self._size > self._max_line_bytes:
            raise faults.too_large(self._max_line_bytes)
        try:
            # A line ends at an ASCII byte, so it never ends within a character.
            self._data.append(str(line[6:] if line[5:6] == b" " else line[5:], "utf-8"))
        except UnicodeDecodeError:
            raise faults.malformed("text that is not UTF-8") from None

    def _event(self) -> str:
        event = self._data[0] if len(self._data) == 1 else "\n".join(self._data)
        self._data.clear()
        self._size = 0
        return event
