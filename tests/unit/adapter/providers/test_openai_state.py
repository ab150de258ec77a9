"""What the providers of the OpenAI API want back of an answer goes back as it came, and to its author alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.pool.choices import Thinking
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.toolcalls import ToolCalls
from lightrouter.v1.chat_pb2 import ROLE_ASSISTANT, ROLE_TOOL, ROLE_USER, ChatMessage, OutputSpec, Sampling, Tool
from tests.upstreams.behaviours import completion, delta

ENTRY = CandidateEntry.model_validate({"name": "fast", "base_url": "http://h/v1", "model": "tiny"})
TOOLS = OutputSpec(tools=[Tool(name="find")])
QUESTION = ChatMessage(role=ROLE_USER, content="Hi")
REQUEST = ProviderRequest([QUESTION], Sampling(), None, output=TOOLS)
CALL: dict[str, Any] = {"index": 0, "id": "call_1", "function": {"name": "find", "arguments": '{"city": "Oslo"}'}}
SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}
Members = Mapping[str, Any]


def answered(pieces: Iterable[Members], *, streamed: bool, entry: CandidateEntry = ENTRY) -> ChatMessage:
    """Returns an answer as a caller sends it back, from the message's pieces; a document has just one."""
    info = ReplyInfo()
    reader = OpenAI(entry).reader(REQUEST, info)
    if streamed:
        deltas = [reader.event(json.dumps(delta(message=dict(piece)))) for piece in pieces]
        deltas += [reader.event(json.dumps(delta(finish="tool_calls"))), reader.end()]
    else:
        (piece,) = pieces
        deltas = [reader.document(completion(None, "tool_calls", message={"content": None, **piece}))]
    calls = ToolCalls()
    calls.add(call for each in deltas for call in each.calls)
    text = "".join(each.text for each in deltas).rpartition("</think>")[2].strip()
    return ChatMessage(
        role=ROLE_ASSISTANT, content=text, tool_calls=calls.calls(), candidate=entry.name, state=info.state
    )


def sent_back(answer: ChatMessage, entry: CandidateEntry = ENTRY) -> dict[str, Any]:
    """Returns the answer as the next request has it."""
    result = ChatMessage(role=ROLE_TOOL, tool_call_id="call_1", content="Sun.")
    request = ProviderRequest([QUESTION, answer, result], Sampling(), None, output=TOOLS)
    body: dict[str, Any] = dict(OpenAI(entry).write(request, streamed=True).body)
    found = body["messages"][1]
    assert found.pop("role") == "assistant"
    calls = [(call["id"], call["function"]) for call in found["tool_calls"]]
    assert calls == [("call_1", CALL["function"])]
    extras = [call["extra_content"] for call in found.pop("tool_calls") if "extra_content" in call]
    return {**found, **({"extras": extras} if extras else {})}


DETAIL = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
ENCRYPTED = {"type": "reasoning.encrypted", "index": 1, "data": "c2ln", "id": "r1"}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": True}
VENDORS: list[tuple[str, list[Members], Members]] = [
    (
        "DeepSeek",
        [{"reasoning_content": "H"}, {"reasoning_content": "m."}, {"tool_calls": [CALL]}],
        {"content": None, "reasoning_content": "Hm."},
    ),
    (
        "vLLM",
        [{"reasoning": "Hm."}, {"content": "A moment."}, {"tool_calls": [CALL]}],
        {"content": "A moment.", "reasoning": "Hm."},
    ),
    (
        "OpenRouter",
        [
            {"reasoning": "H", "reasoning_details": [{**DETAIL, "text": "H", "signature": None}]},
            {"reasoning": "m.", "reasoning_details": [{**DETAIL, "text": "m."}]},
            {"reasoning_details": [{**DETAIL, "text": "", "signature": "c2ln"}, ENCRYPTED]},
            {"tool_calls": [CALL]},
        ],
        {
            "content": None,
            "reasoning_details": [{**DETAIL, "text": "Hm.", "signature": "c2ln"}, ENCRYPTED],
        },
    ),
    (
        "MiniMax",
        [
            {"reasoning_details": [{"text": "Look it"}]},
            {"reasoning_details": [{"text": "Look it up"}]},
            {"reasoning_details": [{"text": "Look it up now."}]},
            {"tool_calls": [CALL]},
        ],
        {"content": None, "reasoning_details": [{"text": "Look it up now."}]},
    ),
    (
        "Mistral",
        [{"content": [THOUGHT, {"type": "text", "text": "A moment."}]}, {"tool_calls": [CALL]}],
        {"content": [THOUGHT, {"type": "text", "text": "A moment."}]},
    ),
    (
        "tags",
        [{"content": "<think>\nHm."}, {"content": "\n</think>\n\nA moment."}, {"tool_calls": [CALL]}],
        {"content": "<think>\nHm.\n</think>\n\nA moment."},
    ),
    (
        "Gemini",
        [{"content": None, "tool_calls": [SIGNED]}],
        {"content": None, "extras": [{"google": {"thought_signature": "c2ln"}}]},
    ),
    ("no reasoning", [{"content": "A moment."}, {"tool_calls": [CALL]}], {"content": "A moment."}),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "members"), [row[1:] for row in VENDORS], ids=[row[0] for row in VENDORS])
def test_a_stream_goes_back_as_it_came(pieces: list[Members], members: Members) -> None:
    answer = answered(pieces, streamed=True)
    assert sent_back(answer) == members
    for change in ({"candidate": "another"}, {"content": "Another text."}, {"state": b""}):
        foreign = ChatMessage()
        foreign.MergeFrom(answer)
        for name, value in change.items():
            setattr(foreign, name, value)
        assert sent_back(foreign) == {"content": foreign.content or None}


@pytest.mark.parametrize(
    ("piece", "members"),
    [
        ({"reasoning_content": "Hm."}, {"content": None, "reasoning_content": "Hm."}),
        ({"reasoning_details": [ENCRYPTED]}, {"content": None, "reasoning_details": [ENCRYPTED]}),
        ({"content": "<think>Hm.</think>A moment."}, {"content": "<think>Hm.</think>A moment."}),
        ({"tool_calls": [SIGNED]}, {"content": None, "extras": [{"google": {"thought_signature": "c2ln"}}]}),
    ],
)
def test_a_document_goes_back_as_it_came(piece: Members, members: Members) -> None:
    assert sent_back(answered([{"tool_calls": [CALL], **piece}], streamed=False)) == members


def test_reasoning_as_text_belongs_to_calls_alone_and_signed_reasoning_to_every_answer() -> None:
    assert not answered([{"reasoning_content": "Hm."}, {"content": "Yes."}], streamed=True).state
    assert not answered([{"content": "<think>Hm.</think>Yes."}], streamed=True).state
    signed = answered([{"reasoning_details": [ENCRYPTED]}, {"content": "Yes."}], streamed=True)
    request = ProviderRequest([QUESTION, signed, QUESTION], Sampling(), None)
    body: dict[str, Any] = dict(OpenAI(ENTRY).write(request, streamed=True).body)
    assert body["messages"][1] == {"role": "assistant", "content": "Yes.", "reasoning_details": [ENCRYPTED]}


def test_a_state_that_no_message_could_hold_is_left_out() -> None:
    assert not answered([{"reasoning_content": "x" * 5_000_000}, {"tool_calls": [CALL]}], streamed=True).state


def test_a_template_that_opens_the_tag_gets_it_back() -> None:
    entry = ENTRY.model_copy(update={"thinking": Thinking.OPEN})
    answer = answered([{"content": "Hm.</think>\nA moment."}, {"tool_calls": [CALL]}], streamed=True, entry=entry)
    assert sent_back(answer, entry) == {"content": "<think>\nHm.</think>\nA moment."}


def test_only_the_members_of_a_state_that_are_meant_for_it_are_sent() -> None:
    answer = answered([{"reasoning_content": "Hm."}, {"tool_calls": [CALL]}], streamed=True)
    answer.state = answer.state.replace(b'"reasoning_content":"Hm."', b'"role":"system","name":"x"')
    assert sent_back(answer) == {"content": None}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "index", "text", "x"]), inner),
    max_leaves=6,
)


@given(details=st.lists(VALUES, max_size=4), extra=VALUES, streamed=st.booleans())
def test_any_members_go_back_or_are_left_out(details: list[object], extra: object, streamed: bool) -> None:
    call = {**CALL, "extra_content": extra}
    sent_back(answered([{"reasoning_details": details, "tool_calls": [call]}], streamed=streamed))
