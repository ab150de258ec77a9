"""A file of JSON lines is read by what it is, everywhere in the same way."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.recording import lines, load, prompts
from lightrouter.recording.lines import LinesError
from lightrouter.recording.recorder import OtherRecordingError, Recorded

LINES = [
    {"id": f"q{n}", "prompt": f"{n}?", "task": "exact", "answer": "é", "responses": {"m": {"text": "é"}}}
    for n in range(40)
]
TEXT = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES)
BOM = b"\xef\xbb\xbf"
PACKED = gzip.compress(TEXT.encode())


def asked(path: Path) -> list[str]:
    return [each.id for each in prompts.read(path)]


def evaluated(path: Path) -> list[str]:
    return [item.id for item in prompts.read(path, scored=True)]


def recorded(path: Path) -> list[str]:
    return [prompt.id for prompt in load.load(path).prompts]


def labelled(path: Path) -> list[str]:
    return [prompt.id for prompt in load.load_labelled(path).recording.prompts]


def taken_up(path: Path) -> list[str]:
    found = prompts.parse(enumerate(TEXT.encode().splitlines(), 1), "prompts")
    with Recorded(path, found) as there:
        return [each.id for each in found if there.has(each, "m")]


READERS = [asked, evaluated, recorded, labelled, taken_up]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz", "data"])
@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        BOM + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\n\n \t\n").encode(),
        TEXT.rstrip("\n").encode(),
        PACKED,
        gzip.compress(BOM + TEXT.replace("\n", "\r\n").encode()),
        gzip.compress(TEXT[: len(TEXT) // 2].encode()) + gzip.compress(TEXT[len(TEXT) // 2 :].encode()),
    ],
)
def test_the_bytes_of_a_file_tell_its_format(
    tmp_path: Path, reader: Callable[[Path], list[str]], name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert reader(path) == [f"q{n}" for n in range(40)]


DAMAGED = {
    "cut": (PACKED[: len(PACKED) // 2], "the gzip data is damaged.*: it ends too early"),
    "cut in its head": (PACKED[:5], "the gzip data is damaged: it ends too early"),
    "without its end": (PACKED[:-8], "the gzip data is damaged.*: it ends too early"),
    "another checksum": (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "damaged.*: its checksum is wrong"),
    "another length": (PACKED[:-4] + b"\0\0\0\1", "damaged.*: its checksum is wrong"),
    "other bytes within": (PACKED[:20] + b"\xff" * 30 + PACKED[50:], "the gzip data is damaged"),
    "a line that is no JSON because of it": (
        gzip.compress(TEXT.encode(), 0).replace(b'{"id": "q3"', b'{"id"; "q3"'),
        "damaged.*: its checksum is wrong",
    ),
    "a line without its key because of it": (
        gzip.compress(TEXT.encode(), 0).replace(b'{"id": "q3"', b'{"ie": "q3"'),
        "damaged.*: its checksum is wrong",
    ),
    "no gzip at all": (b"\x1f\x8bno gzip at all", "the gzip data is damaged"),
    "text behind it": (PACKED + TEXT.encode(), "damaged.*: it has other bytes in it"),
    "zip": (b"PK\x03\x04....", "is a zip archive, unpack it first"),
    "bzip2": (bz2.compress(TEXT.encode()), "is compressed with bzip2"),
    "xz": (lzma.compress(TEXT.encode()), "is compressed with xz"),
    "UTF-16": (TEXT.encode("utf-16"), "is UTF-16, save it as UTF-8"),
    "UTF-16 without a mark": (TEXT.encode("utf-16-le"), "or it is UTF-16; save it as UTF-8"),
    "UTF-16, packed": (gzip.compress(TEXT.encode("utf-16")), "is UTF-16, save it as UTF-8"),
    "packed twice": (gzip.compress(PACKED), "is compressed twice, unpack it once"),
    "a bomb": (gzip.compress(b" " * (65 * 2**20)), "is larger than 16,777,216 bytes, unpacked"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_with_what_it_is(
    tmp_path: Path, reader: Callable[[Path], list[str]], damage: str
) -> None:
    path = tmp_path / "data.jsonl.gz"
    content, fault = DAMAGED[damage]
    path.write_bytes(content)
    kinds = (prompts.PromptsError, load.RecordingError, OtherRecordingError)
    with pytest.raises(kinds, match=fault) as caught:
        reader(path)
    assert str(caught.value).startswith(f"{path}:")
    assert len(str(caught.value).splitlines()) == 1


def test_damage_says_after_which_line_it_is(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl.gz"
    text = "".join(f"{n} {n * 7919}\n" for n in range(20_000)).encode()
    path.write_bytes(gzip.compress(text)[:20_000])
    read = []
    with pytest.raises(LinesError) as caught:
        read += [number for number, _ in lines.read(path)]
    number = int(caught.value.message.partition("after line ")[2].partition(":")[0])
    assert 1000 < number < 20_000


def test_a_line_has_a_bound_and_a_file_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'"123"\n"12345678"\n')
    with pytest.raises(LinesError, match="is larger than 10 bytes") as caught:
        list(lines.read(path, 10))
    assert caught.value.line == 2
    assert len(list(lines.read(path, 17))) == 2
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 11)
    assert len(list(lines.read(path))) == 2
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 8)
    with pytest.raises(LinesError, match="is longer than 8 bytes"):
        list(lines.read(path))


@pytest.mark.parametrize(
    "content", [b"", b"\n \r\n\t\n", BOM, gzip.compress(b"", mtime=0), gzip.compress(b"\n", mtime=0)]
)
@pytest.mark.parametrize("reader", READERS)
def test_a_file_without_prompts_is_none(tmp_path: Path, reader: Callable[[Path], list[str]], content: bytes) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises((prompts.PromptsError, load.RecordingError), match="no prompt"):
        reader(path)


@pytest.mark.parametrize(
    "line",
    [b"{", b"\xff", b'"\\ud800"', b"NaN", b'{"a": Infinity}', b"[" * 100_000, b"1 2", b"'a'", b'{"a": 1,}'],
)
def test_a_line_that_is_no_json_says_why(line: bytes) -> None:
    with pytest.raises(LinesError, match=r"is not JSON: \w"):
        lines.parse(line)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_lines_or_a_sentence(data: bytes, packed: bool) -> None:
    with NamedTemporaryFile() as file:
        file.write(b"\x1f\x8b" + data if packed else data)
        file.flush()
        try:
            found = list(lines.read(Path(file.name)))
        except LinesError:
            return
    assert all(line.strip() == line != b"" for _, line in found)
