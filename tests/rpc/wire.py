"""HTTP/2 by hand, for what no library would send."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import struct
from collections.abc import Iterator, Sequence
from typing import Final

Header = tuple[bytes, bytes]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
_PING: Final = b"are you?"


def frame(kind: int, flags: int = 0, stream: int = 0, body: bytes = b"") -> bytes:
    """Returns a frame."""
    return struct.pack(">I", len(body))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + body


def _length(number: int) -> bytes:
    # A string's length in HPACK: seven bits, then seven bits each time.
    if number < 127:
        return bytes((number,))
    rest, found = number - 127, bytearray((127,))
    while rest >= 128:
        found.append(rest % 128 + 128)
        rest //= 128
    return bytes((*found, rest))


def packed(headers: Sequence[Header]) -> bytes:
    """Returns headers in HPACK, as literals that are never indexed."""
    return b"".join(b"\x10" + _length(len(name)) + name + _length(len(value)) + value for name, value in headers)


def message(body: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """Returns a gRPC message with its prefix, which may lie."""
    return struct.pack(">BI", flag, len(body) if length is None else length) + body


def headers_of(path: bytes, changed: dict[bytes, bytes | None] | None = None, *more: Header) -> list[Header]:
    """Returns the headers of a call; `changed` replaces some, and leaves out those that are None."""
    usual: dict[bytes, bytes | None] = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"localhost",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    found = {**usual, **(changed or {})}
    return [*((name, value) for name, value in found.items() if value is not None), *more]


def call(headers: Sequence[Header], body: bytes = message(b"")) -> bytes:
    """Returns the frames of a call on the first stream."""
    return frame(HEADERS, END_HEADERS, 1, packed(headers)) + frame(DATA, END_STREAM, 1, body)


def malformed(path: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields what is sent after the preface, with a name each; calls are of the method at `path`."""
    yield from (("headers: " + name, call(headers)) for name, headers in _bad_headers(path))
    yield from (("message: " + name, call(headers_of(path), body)) for name, body in _bad_messages())
    yield from (("frames: " + name, frames) for name, frames in _bad_frames(path))
    yield from (("random: " + name, frames) for name, frames in _random(path))


def _bad_headers(path: bytes) -> Iterator[tuple[str, list[Header]]]:
    service = path.rpartition(b"/")[0]
    paths = [b"", b"/", b"//", b"x", b"\xff", b"/\xff\xfe/X", path + b"\xff", b"\xff" + path, service + b"/\xc3"]
    paths += [service + b"/\xed\xa0\x80", path + b"\x00", path + b"?a=b", path * 200, service, b"*", path[1:]]
    yield from ((f"path {index}", headers_of(each)) for index, each in enumerate(paths))
    for name in (b":method", b":scheme", b":path", b":authority", b"content-type", b"te"):
        yield f"without {name.decode()}", headers_of(path, {name: None})
        for value in (b"", b"\xff\xfe", b"\x00", b"a" * 5000):
            yield f"{name.decode()} {value[:3]!r}", headers_of(path, {name: value})
        yield f"twice {name.decode()}", headers_of(path, None, (name, b"again"))
    for name in (b"GET", b"PUT", b"CONNECT"):
        yield f"method {name.decode()}", headers_of(path, {b":method": name})
    for value in (b"text/plain", b"application/json", b"application/grpc-web", b"application/grpc+\xff"):
        yield f"type {value!r}", headers_of(path, {b"content-type": value})
    for value in (b"", b"1", b"S", b"-1S", b"0n", b"1x", b"\xff", b"99999999999999H", b"99999999H", b"1.5S", b" 1S"):
        yield f"timeout {value!r}", headers_of(path, None, (b"grpc-timeout", value))
    for value in (b"", b"none", b"\xff", b"gzip", b"gzip,gzip", b"identity" * 100):
        yield f"encoding {value!r:.20}", headers_of(path, None, (b"grpc-encoding", value))
        yield f"accepted {value!r:.20}", headers_of(path, None, (b"grpc-accept-encoding", value))
    odd: list[Header] = [
        *((b"x-a", value) for value in (b"\xff", b"\x00", b"\r\n", b"\xf0\x9f\x98\x80", b"a" * 12_000)),
        *((b"x-bin", value) for value in (b"\xff", b"=", b"abc", b"!!!!", b"AAAA,AAAA", b"\x00\xff")),
        *((name, b"a") for name in (b"\xff", b"", b"X-Upper", b"a b", b"a:b", b":status", b":unknown", b"-bin")),
        *((name, b"a") for name in (b"connection", b"transfer-encoding", b"host", b"grpc-status", b"grpc-message")),
        *((b"authorization", value) for value in (b"", b"\xff", b"Bearer", b"Bearer \xff", b"Basic a:b")),
        *((b"traceparent", value) for value in (b"\xff", b"00-0-0-0", b"00-" + b"f" * 32 + b"-" + b"0" * 16 + b"-01")),
        *((b"baggage", value) for value in (b"\xff", b"a=" * 2000, b"%ff=%")),
        (b"grpc-internal-encoding-request", b"gzip"),
        (b"grpc-previous-rpc-attempts", b"-1"),
        (b"content-length", b"-5"),
    ]
    yield from ((f"{name!r}: {value!r:.20}", headers_of(path, None, (name, value))) for name, value in odd)
    yield "too many", headers_of(path, None, *((b"x-%d" % index, b"a") for index in range(600)))
    yield "the same one very often", headers_of(path, None, *([(b"x-a", b"\xff")] * 200))
    yield "none", []


def _bad_messages() -> Iterator[tuple[str, bytes]]:
    yield "none", b""
    yield "half a prefix", b"\x00\x00"
    yield "shorter than it says", message(b"abc", length=10)
    yield "longer than it says", message(b"abc", length=1)
    yield "4 GB, it says", message(b"abc", length=2**32 - 1)
    yield "compressed without a way", message(b"abc", flag=1)
    yield "an unknown flag", message(b"abc", flag=7)
    yield "two", message(b"") * 2
    yield "many", message(b"") * 500
    yield "compressed zeros", message(gzip.compress(bytes(1 << 20)), flag=1)
    for body in (b"\xff" * 20, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe", b"\x0b" * 3000, b"\x0a\x80" * 200):
        yield f"no protobuf {body!r:.30}", message(body)


def _bad_frames(path: bytes) -> Iterator[tuple[str, bytes]]:
    begin = frame(HEADERS, END_HEADERS, 1, packed(headers_of(path)))
    yield "a call that is left at once", begin + frame(RESET, 0, 1, struct.pack(">I", 8))
    yield (
        "calls that are left at once",
        b"".join(
            frame(HEADERS, END_HEADERS, stream, packed(headers_of(path)))
            + frame(RESET, 0, stream, struct.pack(">I", 8))
            for stream in range(1, 201, 2)
        ),
    )
    yield "headers without an end", frame(HEADERS, 0, 1, packed(headers_of(path)))
    yield "headers in many pieces", frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 300
    yield "headers that go on after data", begin + frame(DATA, 0, 1, message(b"")) + frame(CONTINUATION, 4, 1, b"")
    yield "trailers", begin + frame(HEADERS, END_HEADERS | END_STREAM, 1, packed([(b"x-a", b"\xff")]))
    yield "an index that is not there", frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\x0f")
    yield "broken Huffman", frame(HEADERS, END_HEADERS, 1, b"\x10\x81\xff\x81\xff")
    yield "a string longer than the frame", frame(HEADERS, END_HEADERS, 1, b"\x10\x7f\xff\xff\x7f")
    yield "an even stream", frame(HEADERS, END_HEADERS, 2, packed(headers_of(path)))
    yield "stream 0", frame(HEADERS, END_HEADERS, 0, packed(headers_of(path)))
    yield "data for nobody", frame(DATA, END_STREAM, 5, message(b""))
    yield "data of the connection", frame(DATA, 0, 0, b"a")
    yield "padding that is too long", frame(DATA, 0x8, 1, b"\xff")
    yield "a window of 0", begin + frame(WINDOW, 0, 1, bytes(4))
    yield "a window that overflows", begin + frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2
    yield "settings of half a size", frame(SETTINGS, 0, 0, b"\x00\x04\x00")
    yield "settings out of range", frame(SETTINGS, 0, 0, struct.pack(">HIHI", 4, 2**32 - 1, 5, 1))
    yield "settings of nobody", frame(SETTINGS, 0, 0, struct.pack(">HI", 0xFFFF, 1) * 50)
    yield "acknowledged settings with a body", frame(SETTINGS, ACK, 0, b"a")
    yield "a ping of three bytes", frame(PING, 0, 0, b"abc")
    yield "many pings", frame(PING, 0, 0, bytes(8)) * 200
    yield "a promise", frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2) + packed(headers_of(path)))
    yield "a stream before itself", frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 0))
    yield "the end", begin + frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xFFFFFFFF))
    yield "a kind that does not exist", frame(0xFF, 0xFF, 1, b"abc")
    yield "a frame longer than allowed", frame(DATA, 0, 1, bytes(20_000))
    yield "half a frame", frame(HEADERS, END_HEADERS, 1, packed(headers_of(path)))[:20]


def _random(path: bytes) -> Iterator[tuple[str, bytes]]:
    for seed in range(60):
        chance = random.Random(seed)
        sent = bytearray(call(headers_of(path, None, (b"x-a", chance.randbytes(8))), message(chance.randbytes(30))))
        for _ in range(chance.choice((1, 1, 3, 10))):
            sent[chance.randrange(len(sent))] = chance.randrange(256)
        yield f"{seed}", bytes(sent)


def _done(said: bytes | bytearray) -> bool:
    """Tells whether the server has answered the ping or has said that it goes away."""
    place = 0
    while len(said) >= place + 9:
        length, kind = int.from_bytes(said[place : place + 3]), said[place + 3]
        if kind == GOAWAY or said[place:].startswith(frame(PING, ACK, 0, _PING)):
            return True
        place += 9 + length
    return False


async def send(address: str, sent: bytes) -> bytes:
    """Sends this after the preface; returns what the server says until it answers a ping or closes the connection.

    A service that does neither within a second waits for more bytes; it then gets the end of the stream.
    """
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    found = bytearray()

    async def answered() -> None:
        while not _done(found) and (piece := await reader.read(65_536)):
            found.extend(piece)

    with contextlib.suppress(OSError):
        # What follows completes a frame that says it is longer than it is.
        writer.write(PREFACE + frame(SETTINGS) + sent + frame(0xFE, 0, 0, bytes(100)) * 170 + frame(PING, 0, 0, _PING))
        try:
            await asyncio.wait_for(answered(), 1)
        except TimeoutError:
            writer.write_eof()
            await answered()
    writer.close()
    return bytes(found)
