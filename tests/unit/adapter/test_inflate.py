"""Bodies that are compressed although the request asked for none."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.inflate import Inflater

TEXT = b"data: Hello\n\n" * 50


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def unpacked(encoding: str, body: bytes, size: int = 7) -> bytes:
    inflater = Inflater(encoding)
    out = b"".join(piece for at in range(0, len(body), size) for piece in inflater.feed(body[at : at + size]))
    inflater.close()
    return out


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("X-GZIP ", gzip.compress(TEXT, mtime=0)),
        ("gzip", gzip.compress(TEXT[:70], mtime=0) + gzip.compress(TEXT[70:], mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
        ("gzip", b""),
    ],
)
def test_bodies_are_unpacked(encoding: str, body: bytes) -> None:
    for size in (1, 7, 10_000):
        assert unpacked(encoding, body, size) == (TEXT if body else b"")


def test_flushed_bytes_come_at_once() -> None:
    packer = zlib.compressobj(wbits=31)
    inflater = Inflater("gzip")
    for event in (b"data: a\n\n", b"data: b\n\n"):
        packed = packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(inflater.feed(packed)) == event


def test_a_small_body_may_be_a_large_one_and_comes_in_pieces() -> None:
    pieces = list(itertools.islice(Inflater("gzip").feed(gzip.compress(b"a" * 10_000_000)), 20))
    assert all(len(piece) <= 65_536 for piece in pieces)
    assert len(pieces) == 20


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(UpstreamError, match="encoding"):
        Inflater(encoding)


def test_zeros_behind_the_end_are_no_body() -> None:
    assert unpacked("gzip", gzip.compress(TEXT) + b"\0" * 512) == TEXT


def test_a_body_that_is_cut_is_no_body() -> None:
    with pytest.raises(UpstreamError, match="ended"):
        unpacked("gzip", gzip.compress(TEXT)[:-9])


@given(st.binary(), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_unpacked_or_refused(body: bytes, encoding: str) -> None:
    try:
        unpacked(encoding, body)
    except UpstreamError:
        return
