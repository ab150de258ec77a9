import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.pool.schema import CandidateEntry
from lightrouter.recording.load import RecordingError, load, load_labelled
from lightrouter.recording.recording import Labels, pool_names
from lightrouter.runtime.tokens import count
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from tests.recordings import line, write

LINES = [
    line("What is 2 + 2?", {"Small/1B": "It is 4.", "big": "4"}, number=1, category="math"),
    line("And 3 + 3?", {"Small/1B": "6", "big": "It is six."}, number=2),
]


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_a_recording_is_read_in_its_order(tmp_path: Path, name: str) -> None:
    recording = load(write(tmp_path / name, LINES))
    assert [prompt.id for prompt in recording.prompts] == ["p1", "p2"]
    assert [prompt.category for prompt in recording.prompts] == ["math", ""]
    assert recording.models == ["Small/1B", "big"]
    first = recording.prompts[0]
    assert first.messages == (ChatMessage(role=Role.ROLE_USER, content="What is 2 + 2?"),)
    assert (first.responses["big"].text, first.responses["big"].output_tokens) == ("4", 1)
    assert recording.take([1]).prompts == [recording.prompts[1]]


def test_labels_are_read_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "data.jsonl", LINES)
    labelled = load_labelled(path)
    assert labelled.recording == load(path)
    assert labelled.labels[0] == Labels("A", {"Small/1B": 0.5, "big": 0.5}, {"Small/1B": "A", "big": "A"})
    assert labelled.take([1]).labels == [labelled.labels[1]]


def test_a_served_recording_does_not_depend_on_the_labels(tmp_path: Path) -> None:
    without: list[dict[str, Any]] = json.loads(json.dumps(LINES))
    for each in without:
        del each["answer"]
        for response in each["responses"].values():
            response["quality"] = "no number"
            del response["answer"]
    changed = write(tmp_path / "changed.jsonl", without)
    assert load(changed) == load(write(tmp_path / "data.jsonl", LINES))
    with pytest.raises(RecordingError, match="quality"):
        load_labelled(changed)


def test_only_the_wanted_models_are_kept(tmp_path: Path) -> None:
    recording = load(write(tmp_path / "data.jsonl", LINES), ["big"])
    assert recording.models == ["big"]


def test_optional_members_are_kept(tmp_path: Path) -> None:
    known = {"text": "Hi", "input_tokens": 3, "output_tokens": 9, "cost_usd": 0.25, "latency_s": 1}
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    path = write(tmp_path / "data.jsonl", [{"id": "x", "messages": turns, "responses": {"m": known}}])
    [prompt] = load(path).prompts
    assert [message.role for message in prompt.messages] == [Role.ROLE_SYSTEM, Role.ROLE_USER]
    response = prompt.responses["m"]
    assert (response.input_tokens, response.output_tokens, response.counted_tokens) == (3, 9, 1)
    assert (response.cost_usd, response.latency_s) == (0.25, 1.0)


SAID = {"m": {"text": "t"}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "1: is not valid JSON"),
        ("[]", "1: must be an object with"),
        ('{"prompt": "p", "responses": {"m": {"text": "t"}}}', "1: id: is required"),
        (json.dumps({"id": "a", "responses": SAID}), "1: must have either prompt or messages"),
        (json.dumps({"id": "a", "prompt": "p", "responses": {}}), "1: responses: "),
        (
            json.dumps({"id": "a", "prompt": "p", "responses": {"gpt-4.1": {}}}),
            "1: responses['gpt-4.1'].text: is required",
        ),
        (json.dumps({"id": "a", "prompt": "p", "responses": {}}), "1: responses: must have at least 1 item"),
        (json.dumps({"id": "a", "prompt": "p", "responses": {"m": {"text": 1}}}), "1: responses.m.text: must be "),
        (
            json.dumps({"id": "a", "prompt": "p", "responses": {"m": {"text": "t", "output_tokens": -1}}}),
            "1: responses.m.output_tokens: must be greater than or equal to 0",
        ),
        (
            json.dumps({"id": "a", "messages": [{"role": "robot", "content": "x"}], "responses": SAID}),
            "1: messages[0].role: must be ",
        ),
        (
            json.dumps({"id": "a", "messages": [{"role": "assistant", "content": "x"}], "responses": SAID}),
            "1: has messages that end with the assistant's",
        ),
        (
            "\n" + 2 * (json.dumps({"id": "a", "prompt": "p", "responses": SAID}) + "\n"),
            "3: id: is taken by the prompt of line 2",
        ),
        ('{"id": "a", "prompt": "p", "responses": {"m": {"text": "\\ud800"}}}', "1: is not valid JSON"),
        (
            '{"id": "a", "prompt": "p", "responses": {"m": {"text": "t"}, "m": {"text": "u"}}}',
            "1: has the key 'm' twice in one object; keep one",
        ),
        (
            json.dumps({"id": "a", "prompt": "p", "responses": {"m" * 513: {"text": "t"}}}),
            "1: responses: the name of a model must have at most 512 characters",
        ),
        *(
            (json.dumps({"id": "a", "prompt": "p", "responses": SAID, "answer": answer}), "1: answer: must be a valid")
            for answer in ([], [None], [["A"]], {"a": 1})
        ),
        *(
            (
                f'{{"id": "a", "prompt": "p", "responses": {{"m": {{"text": "t", "cost_usd": {cost}}}}}}}',
                "1: responses.m.cost_usd: must be ",
            )
            for cost in ('"0.1"', "-1", "NaN", "Infinity", "1e999", "true", "[1]")
        ),
        ('{"id": "a", "prompt": "p", "id": "b", "responses": {"m": {"text": "t"}}}', "1: has the key 'id' twice"),
        (
            '\n{"id": "a", "prompt": "p", "responses": {"m": {"text": "t", "quality": 0, "qualit\\u0079": 1}}}',
            "2: has the key 'quality' twice",
        ),
        (
            '{"id": "a", "other": [{"x": {"y": 1, "y": 1}}], "prompt": "p", "responses": {"m": {"text": "t"}}}',
            "1: has the key 'y' twice",
        ),
    ],
)
def test_a_fault_is_named_by_line_and_field(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(text)
    with pytest.raises(RecordingError) as caught:
        load_labelled(path)
    assert str(caught.value).startswith(f"{path}:{fault}")
    assert "validation" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read: No such file"), (b"", "holds no prompt"), (b"\x1f\x8b broken", "cannot be read: ")],
)
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "data.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {fault}")


def test_pool_names_are_readable() -> None:
    assert pool_names(["Qwen/Qwen2.5-7B", "qwen-qwen2-5-7b", "gemini-1.5-flash-002", "???"]) == {
        "Qwen/Qwen2.5-7B": "qwen-qwen2-5-7b",
        "qwen-qwen2-5-7b": "qwen-qwen2-5-7b-2",
        "gemini-1.5-flash-002": "gemini-1-5-flash-002",
        "???": "model",
    }


@given(st.lists(st.text() | st.sampled_from(["a" * 63, "a" * 64, "a" * 62 + "-b", "A", "a"])))
def test_every_model_gets_a_name_of_its_own_that_the_pool_allows(models: list[str]) -> None:
    names = pool_names(models)
    assert names.keys() == set(models)
    assert len(set(names.values())) == len(names)
    for name in names.values():
        assert CandidateEntry(name=name, base_url="http://h", model="m").name == name


def test_tokens_of_a_conversation_have_room_for_its_delimiters(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    [prompt] = load(write(tmp_path / "data.jsonl", [{"id": "x", "messages": turns, "responses": SAID}])).prompts
    assert prompt.input_tokens == count("Be brief.") + count("Hello") + 2 * 4


@pytest.mark.parametrize(
    ("answer", "label"),
    [(391, "391"), (-0.5, "-0.5"), (10**20, str(10**20)), (["B", "b"], "B"), ([7, 8], "7"), ("x", "x"), (None, None)],
)
def test_a_label_may_be_a_number_or_several(tmp_path: Path, answer: object, label: str | None) -> None:
    responses = {"m": {"text": "t", "answer": answer}}
    path = write(tmp_path / "data.jsonl", [{"id": "x", "prompt": "p", "answer": answer, "responses": responses}])
    [labels] = load_labelled(path).labels
    assert labels.answer == label
    assert labels.answers == ({"m": label} if label is not None else {})
