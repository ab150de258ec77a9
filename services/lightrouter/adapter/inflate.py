"""Bodies that a provider packed although it was asked not to."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from lightrouter.adapter import faults

_PIECE_BYTES: Final = 64 * 1024
# The window sizes that tell zlib what to read: gzip or zlib by their head, or deflate without any.
_BY_HEAD: Final = zlib.MAX_WBITS | 32
_BARE: Final = -zlib.MAX_WBITS
_PACKINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
# Some servers name a character set, or say in words that there is nothing to unpack.
_NO_PACKINGS: Final = frozenset({"", "identity", "none", "utf-8", "utf8", "aws-chunked"})
_HEAD_BYTES: Final = 2


class Inflater:
    """Unpacks a body as it comes, in pieces of at most 64 KiB: a small body may be a large one packed."""

    def __init__(self, encoding: str) -> None:
        """Reads what the Content-Encoding header, `encoding`, says.

        Raises:
            UpstreamError: It is none that can be read.
        """
        packings = [each for name in encoding.split(",") if (each := name.strip().lower()) not in _NO_PACKINGS]
        if len(packings) > 1 or not _PACKINGS.issuperset(packings):
            raise faults.malformed(f"a body in the encoding {encoding[:40]}, which nobody asked for")
        self.packed = bool(packings)
        """Whether the body is packed at all."""
        self._begin = b""
        self._unpack: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yields what `chunk` unpacks to.

        Raises:
            UpstreamError: It is damaged.
        """
        if not self.packed:
            yield chunk
            return
        if self._unpack is None:
            self._begin += chunk
            if len(self._begin) < _HEAD_BYTES:
                return
            chunk = self._begin
            self._unpack = zlib.decompressobj(_BY_HEAD if _has_head(chunk) else _BARE)
        while chunk:
            if self._unpack.eof:
                # Another member follows in the same body.
                self._unpack = zlib.decompressobj(_BY_HEAD)
            try:
                yield self._unpack.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                raise faults.malformed("a packed body that is damaged") from None
            chunk = self._unpack.unconsumed_tail or self._unpack.unused_data

    def close(self) -> None:
        """Ends the body.

        Raises:
            UpstreamError: Its end is missing.
        """
        if self._begin and not (self._unpack and self._unpack.eof):
            raise faults.unavailable("closed the connection before its reply had ended")


def _has_head(begin: bytes) -> bool:
    """Returns whether a body begins as gzip or zlib do; some servers leave zlib's head away."""
    return begin[:2] == b"\x1f\x8b" or (begin[0] & 0x0F == zlib.DEFLATED and (begin[0] << 8 | begin[1]) % 31 == 0)
