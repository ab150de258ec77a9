"""The validation set, with what is wrong with it by line and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.scoring import Choice, Schema
from lightrouter.recording.prompts import Judged, PromptsError, digest, read
from lightrouter.v1.chat_pb2 import ROLE_SYSTEM, ROLE_USER
from tests.unit.evaluator.fakes import parse

GOOD = """\
{"id": "q1", "category": "law", "prompt": "A or B?", "task": "choice", "answer": "B", "max_output_tokens": 5}

{"id": "q2", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}], \
"task": "judge", "reference": "Hello."}
{"id": "q3", "prompt": "JSON!", "task": "schema", "json_schema": {"type": "number", "minimum": 0.5}}
"""


def test_a_good_set(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(GOOD)
    found = read(path, scored=True)
    first, second, third = found
    assert (first.id, first.category, first.max_output_tokens, first.task) == ("q1", "law", 5, Choice(answer="B"))
    assert [(each.role, each.content) for each in second.messages] == [(ROLE_SYSTEM, "Be brief."), (ROLE_USER, "Hello")]
    assert second.task == Judged(reference="Hello.")
    assert isinstance(third.task, Schema)
    assert digest(found) != digest(parse(GOOD.replace("brief", "brisk").encode()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"id": "q", "prompt": "x"}', "task: must be one of exact, choice, numeric, pattern, schema, judge"),
        ('{"id": "q", "prompt": "x", "task": "judge", "referenc": "a"}', "reference: is required"),
        ('{"id": "q", "prompt": "x", "task": "judge", "reference": "a", "categry": ""}', "categry: is not a known key"),
        ('{"id": "q", "task": "exact", "answer": "a"}', "must have either prompt or messages"),
        ('{"id": "q", "prompt": "x", "task": "pattern", "pattern": "("}', "pattern: not an RE2 pattern"),
        ('{"id": "q", "prompt": 5, "task": "exact", "answer": "a"}', "prompt: must be a valid string"),
        (
            '{"id": "q", "messages": [{"role": "assistant", "content": "x"}], "task": "exact", "answer": "a"}',
            "has messages that end with the assistant's",
        ),
    ],
)
def test_a_fault_is_named_by_line_and_field(line: str, said: str) -> None:
    with pytest.raises(PromptsError) as raised:
        parse(f"{GOOD}{line}\n".encode(), "set.jsonl")
    assert f"set.jsonl:5: {said}" in str(raised.value)


def test_an_id_is_taken_once() -> None:
    with pytest.raises(PromptsError, match="set:5: id: is taken"):
        parse((GOOD + GOOD.splitlines()[0]).encode(), "set")


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_set_is_none(content: bytes) -> None:
    with pytest.raises(PromptsError, match="holds no prompt"):
        parse(content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PromptsError, match="cannot be read: No such file"):
        read(tmp_path / "gone.jsonl", scored=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_set_or_refused(data: bytes) -> None:
    with pytest.raises(PromptsError):
        parse(data)
