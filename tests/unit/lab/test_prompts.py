import json
from pathlib import Path

import pytest

from lightrouter.answers.scoring import Choice, Exact
from lightrouter.lab.prompts import PromptsError, read
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
    assert first.members == {"id": "a", "category": "law", "prompt": "A) or B)?", "answer": "B"}
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
        ("{", "1: is no JSON"),
        ("[]", "1: must be an object"),
        ('{"id": "a"}', "1: must have either prompt or messages"),
        ('{"prompt": "p", "task": "guess"}', "1: task: must be one of exact, choice, numeric, pattern, schema"),
        ('{"prompt": "p", "task": "choice", "answer": "x"}', "1: answer: "),
        ('{"prompt": "p", "tolerance": 1}', "1: tolerance: is not a known key of a prompt without a task"),
        ('{"messages": [{"role": "assistant", "content": "p"}]}', "1: has messages that end with the assistant's"),
        ('{"id": "a", "prompt": "p"}\n{"id": "a", "prompt": "p"}', "2: id: is taken"),
        ("", " holds no prompt"),
    ],
)
def test_a_fault_is_named_by_line_and_field(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(PromptsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:{fault}")


def test_prompts_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(PromptsError, match="cannot be read: No such file"):
        read(tmp_path / "none.jsonl")


def test_members_are_fit_for_a_recording(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}]
    [asked] = read(write(tmp_path / "prompts.jsonl", [{"id": "a", "messages": turns}]))
    assert json.loads(json.dumps(asked.members)) == {"id": "a", "messages": turns}
