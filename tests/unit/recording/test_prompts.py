import gzip
import json
from pathlib import Path

import pytest

from lightrouter.answers.scoring import Choice, Exact
from lightrouter.recording.prompts import PromptsError, digest, read
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from tests.recordings import line, write


def test_prompts_are_read_with_what_scores_their_answers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "prompts.jsonl",
        [
            {"id": "a", "category": "law", "prompt": "A) or B)?", "task": "choice", "answer": "B", "choices": 2},
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
        ],
    )
    first, second = read(path)
    assert first.scorer == Choice(answer="B", choices=2)
    assert first.members == {
        "id": "a",
        "category": "law",
        "prompt": "A) or B)?",
        "task": "choice",
        "answer": "B",
        "choices": 2,
    }
    assert second.id == "prompt-2"
    assert second.scorer is None
    assert second.messages[-1] == ChatMessage(role=Role.ROLE_USER, content="Hi")


def test_a_recording_is_asked_again(tmp_path: Path) -> None:
    [asked] = read(write(tmp_path / "data.jsonl.gz", [line("Why?", {"m": "Because."})]))
    assert (asked.id, asked.scorer, asked.members["answer"]) == ("p0", None, "A")
    [scored] = read(tmp_path / "data.jsonl.gz", "exact")
    assert scored.scorer == Exact(answer="A")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "1: is not JSON"),
        ("[]", "1: must be an object"),
        ('{"prompt": "p", "prompt": "q"}', "1: has the key 'prompt' twice in one object; keep one"),
        (
            '{"prompt": "p"}\n{"prompt": "p", "task": "exact", "answer": "A", "answer": "B"}',
            "2: has the key 'answer' twice",
        ),
        ('{"messages": [{"role": "user", "content": "a", "content": "b"}]}', "1: has the key 'content' twice"),
        ('{"id": "a"}', "1: must have either prompt or messages"),
        ('{"prompt": "p", "task": "guess"}', "1: task: must be one of exact, choice, numeric, pattern, schema, judge"),
        ('{"prompt": "p", "task": "choice", "answer": "x"}', "1: answer: "),
        ('{"prompt": "p", "tolerance": 1}', "1: tolerance: is not a known key of a prompt without a task"),
        ('{"messages": [{"role": "assistant", "content": "p"}]}', "1: has messages that end with the assistant's"),
        ('{"id": "a", "prompt": "p"}\n{"id": "a", "prompt": "p"}', "2: id: is taken"),
        ("", " holds no prompt"),
        ("[]", "1: must be an object, one per line"),
        ('{"messages": [{"role": "tool", "content": "x"}]}', "1: messages[0].role: must be 'system', 'user'"),
        ('{"prompt": "p", "task": "choice", "answer": 2}', "1: answer: must be one capital letter"),
        ('{"prompt": "p", "task": "choice", "answer": ["A", "B"]}', "1: answer: must be one capital letter"),
        ('{"prompt": "p", "task": "choice", "answer": null}', "1: answer: must be one capital letter"),
        ('{"prompt": "p", "task": "exact", "answer": null}', "1: answer: must be a text, a number, true or false"),
        ('{"prompt": "p", "task": "exact", "answer": ""}', "1: answer: must be a text, a number, true or false"),
        ('{"prompt": "p", "task": "exact", "answer": []}', "1: answer: must be a text, a number, true or false"),
        ('{"prompt": "p", "task": "exact", "answer": ["a", null]}', "1: answer: must be a text, a number"),
        ('{"prompt": "p", "task": "exact", "answer": {"a": 1}}', "1: answer: must be a text, a number"),
        ('{"prompt": "p", "task": "numeric", "answer": true}', "1: answer: must be a number"),
        ('{"prompt": "p", "task": "numeric", "answer": "1/2"}', "1: answer: must be a number"),
        ('{"prompt": "p", "task": "numeric", "answer": "nan"}', "1: answer: must be a number"),
        ('{"prompt": "p", "task": "numeric", "answer": null}', "1: answer: must be a number"),
        ('{"prompt": "p", "task": "numeric", "answer": [1, 2]}', "1: answer: must be a number"),
    ],
)
def test_a_fault_is_named_by_line_and_field(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(PromptsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:{fault}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "right"),
    [(5, "5"), (2.5, "2.5"), (True, "True"), ("x", "X."), (["a", 7], "7"), ([False], "false")],
)
def test_an_exact_answer_may_be_of_any_plain_kind(tmp_path: Path, answer: object, right: str) -> None:
    [asked] = read(write(tmp_path / "prompts.jsonl", [{"prompt": "p", "task": "exact", "answer": answer}]))
    assert asked.scorer is not None
    assert (asked.scorer.score(right), asked.scorer.score("no")) == (1.0, 0.0)
    assert asked.members["answer"] == answer


def test_prompts_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(PromptsError, match="cannot be read: No such file"):
        read(tmp_path / "none.jsonl")


def test_members_are_fit_for_a_recording(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    [asked] = read(write(tmp_path / "prompts.jsonl", [{"id": "a", "messages": turns}]))
    assert json.loads(json.dumps(asked.members)) == {"id": "a", "messages": turns}


BOTH = """{"id": "a", "prompt": "p", "task": "numeric", "answer": 391, "max_output_tokens": 9}
{"prompt": "q", "task": "judge", "reference": "r"}
"""


def test_a_validation_set_and_prompts_to_be_recorded_are_one_format(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(BOTH)
    asked, evaluated = read(path), read(path, scored=True)
    assert [each.task for each in asked] == [item.task for item in evaluated]
    assert [each.messages for each in asked] == [item.messages for item in evaluated]
    assert [each.id for each in asked] == [item.id for item in evaluated] == ["a", "prompt-2"]
    assert [each.max_output_tokens for each in asked] == [9, None]
    assert [each.scorer is None for each in asked] == [False, True]


def test_the_digest_is_of_what_is_said_and_not_of_how(tmp_path: Path) -> None:
    plain, packed = tmp_path / "set.jsonl", tmp_path / "packed"
    plain.write_text(BOTH)
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + BOTH.replace("\n", "\r\n").encode()))
    assert digest(read(plain)) == digest(read(packed))
    for old, new in (("391", "392"), ('"p"', '"P"'), ('"numeric", "answer": 391', '"exact", "answer": "391"')):
        plain.write_text(BOTH.replace(old, new))
        assert digest(read(plain)) != digest(read(packed))


def test_all_faults_are_named_up_to_a_number(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("{\n" * 30)
    with pytest.raises(PromptsError) as caught:
        read(path)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{path}:1: is not JSON")
    assert lines[-1] == f"{path}: 10 more faults"
    assert len(lines) == 21


def test_a_task_for_all_is_for_lines_with_an_answer(tmp_path: Path) -> None:
    lines = [{"prompt": "a", "answer": "B"}, {"prompt": "b"}, {"prompt": "c", "task": "exact", "answer": "x"}]
    asked = read(write(tmp_path / "prompts.jsonl", lines), "choice")
    assert [each.task for each in asked] == [Choice(answer="B"), None, Exact(answer="x")]
