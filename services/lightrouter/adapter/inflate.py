"""Decompression of bodies that a provider compressed against `Accept-Encoding: identity`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from lightrouter.adapter import faults

# A choice: a piece of this size inflates in well under a millisecond.
_PIECE_BYTES: Final = 64 * 1024
# The window sizes that tell zlib what to read: gzip or zlib by their header, or raw deflate.
_BY_HEAD: Final = zlib.MAX_WBITS | 32
_BARE: Final = -zlib.MAX_WBITS
_PACKINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
# Some servers name a character set here, or say in words that nothing is compressed.
_NO_PACKINGS: Final = frozenset({"", "identity", "none", "utf-8", "utf8", "aws-chunked"})
# Two bytes tell gzip from zlib (RFC 1952, 2.3.1; RFC 1950, 2.2).
_HEAD_BYTES: Final = 2


class Inflater:
    """Decompresses a body as it comes, in pieces of at most 64 KiB, because a small body may become a huge one."""

    def __init__(self, encoding: str) -> None:
        """Prepares for `encoding`, the value of the Content-Encoding header.

        Raises:
            UpstreamError: The encoding is not supported.
        """
        packings = [each for name in encoding.split(",") if (each := name.strip().lower()) not in _NO_PACKINGS]
        if len(packings) > 1 or not _PACKINGS.issuperset(packings):
            raise faults.malformed(f"a body in the encoding {encoding[:40]}, although the request asked for none")
        self.packed = bool(packings)
        """Whether the body is compressed."""
        self._begin = b""
        self._unpack: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yields the decompressed content of `chunk`.

        Raises:
            UpstreamError: The body is damaged.
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
            if self._unpack.eof and not chunk.strip(b"\0"):
                # gzip(1) ignores zeros behind the end, too.
                return
            if self._unpack.eof:
                # gzip allows several members in one body.
                self._unpack = zlib.decompressobj(_BY_HEAD)
            try:
                yield self._unpack.decompress(chunk, _PIECE_BYTES)
            except zlib.error:
                raise faults.malformed("a compressed body that is damaged") from None
            chunk = self._unpack.unconsumed_tail or self._unpack.unused_data

    def close(self) -> None:
        """Checks that the body is complete.

        Raises:
            UpstreamError: Its end is missing.
        """
        if self._begin and not (self._unpack and self._unpack.eof):
            raise faults.unavailable("closed the connection before its reply had ended")


def _has_head(begin: bytes) -> bool:
    """Returns whether a body begins with a gzip or zlib header; some servers send raw deflate."""
    return begin[:2] == b"\x1f\x8b" or (begin[0] & 0x0F == zlib.DEFLATED and (begin[0] << 8 | begin[1]) % 31 == 0)
