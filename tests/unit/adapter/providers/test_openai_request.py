"""Requests of the OpenAI API, for each continuation style."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.providers.openai_request import RequestWriter
from lightrouter.adapter.quirks import BOTH, Quirks
from lightrouter.adapter.templates import ChatTemplateError
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, OutputSpec, ReasoningEffort, Role, Sampling, Tool, ToolChoice

SYSTEM = ChatMessage(role=Role.ROLE_SYSTEM, content="Be brief.")
USER = ChatMessage(role=Role.ROLE_USER, content="Hi")


def writer(**members: Any) -> RequestWriter:
    return RequestWriter(
        CandidateEntry.model_validate({"name": "fast", "base_url": "http://h/v1", "model": "tiny", **members})
    )


def ask(
    *messages: ChatMessage,
    sampling: Sampling | None = None,
    most: int | None = None,
    prefill: str = "",
    hidden: str = "",
) -> ProviderRequest:
    return ProviderRequest(messages or (USER,), sampling or Sampling(), most, prefill, hidden)


def written(made: RequestWriter, asked: ProviderRequest, *, streamed: bool = False) -> dict[str, Any]:
    document = json.loads(json.dumps(made.write(asked, streamed=streamed).body))
    assert isinstance(document, dict)
    if not streamed:
        assert document.pop("stream") is False
    return document


def test_a_new_answer() -> None:
    made = writer()
    assert made.path == "/chat/completions"
    assert written(made, ask()) == {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}


def test_streams_ask_for_counts() -> None:
    body = written(writer(), ask(), streamed=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_the_requests_sampling_goes_over_the_entrys() -> None:
    made = writer(sampling={"temperature": 0.1, "top_p": 0.5, "stop": ["a"], "seed": 1}, extra_body={"cache": True})
    assert written(made, ask()) == {
        "model": "tiny",
        "temperature": 0.1,
        "top_p": 0.5,
        "seed": 1,
        "stop": ["a"],
        "cache": True,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    sampling = Sampling(temperature=0, top_p=1, stop=["b", "c"], seed=0)
    body = written(made, ask(sampling=sampling, most=7))
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0, 1, 0, ["b", "c"])
    assert body["max_tokens"] == 7


def test_the_name_of_the_token_limit() -> None:
    body = written(writer(max_tokens_field="max_completion_tokens"), ask(most=7))
    assert body["max_completion_tokens"] == 7
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    ("messages", "system"), [((USER,), "You are a pirate."), ((SYSTEM, USER), "You are a pirate.\n\nBe brief.")]
)
def test_the_entrys_system_prompt_comes_first(messages: tuple[ChatMessage, ...], system: str) -> None:
    body = written(writer(system_prompt="You are a pirate."), ask(*messages))
    assert body["messages"] == [{"role": "system", "content": system}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("continuation", "last", "members"),
    [
        ("trailing", {}, {}),
        ("prefix", {"prefix": True, "reasoning_content": "hm"}, {}),
        ("continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
def test_going_on(continuation: str, last: dict[str, object], members: dict[str, object]) -> None:
    body = written(writer(continuation=continuation), ask(prefill="Hello wör", hidden="hm"))
    assert body == {
        "model": "tiny",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello wör", **last},
        ],
        **members,
    }


def test_going_on_raw() -> None:
    made = writer(continuation="raw", chat_template="chatml", max_tokens_field="max_completion_tokens")
    assert made.path == "/completions"
    body = written(made, ask(SYSTEM, USER, sampling=Sampling(stop=["x"]), most=5, prefill="Hello"))
    assert body == {
        "model": "tiny",
        "prompt": (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello"
        ),
        "stop": ["x", "<|im_end|>"],
        "max_tokens": 5,
    }


def test_raw_needs_a_template_that_is_known() -> None:
    with pytest.raises(ChatTemplateError):
        writer(continuation="raw", chat_template="chatlm")


EVERYTHING = OutputSpec(
    tools=[Tool(name="find")], tool_choice=ToolChoice(name="find"), parallel_tool_calls=True, json_object=True
)
SAMPLED = Sampling(
    temperature=0.5, top_p=0.5, seed=1, stop=["END"], reasoning_effort=ReasoningEffort.REASONING_EFFORT_HIGH
)
OF_TOOLS = {"tool_choice", "parallel_tool_calls", "response_format"}
OF_SAMPLING = {"temperature", "top_p", "seed", "stop", "reasoning_effort"}


@pytest.mark.parametrize(
    ("members", "quirks", "left_out"),
    [
        pytest.param({}, Quirks(), set(), id="all is taken"),
        pytest.param({}, Quirks(refused=frozenset(OF_SAMPLING)), OF_SAMPLING, id="no sampling"),
        pytest.param({}, Quirks(refused=frozenset(OF_TOOLS)), OF_TOOLS, id="no steering of tools"),
        pytest.param({}, Quirks(refused=frozenset({BOTH})), {"top_p"}, id="one of two"),
        pytest.param({"reasoning_efforts": []}, Quirks(), {"reasoning_effort"}, id="no efforts"),
        pytest.param(
            {"continuation": "raw", "chat_template": "chatml"}, Quirks(), {"tools", *OF_TOOLS}, id="a raw prompt"
        ),
    ],
)
def test_options_that_a_candidate_does_not_take_are_left_out_and_reported(
    members: dict[str, Any], quirks: Quirks, left_out: set[str]
) -> None:
    asked = replace(ask(sampling=SAMPLED), output=EVERYTHING, quirks=quirks)
    made = writer(**members).write(asked, streamed=False)
    assert made.left_out == left_out
    assert {"tools", *OF_TOOLS, *OF_SAMPLING} - made.body.keys() == left_out


def test_options_that_were_not_asked_for_are_not_reported_as_left_out() -> None:
    refused = Quirks(refused=frozenset(OF_SAMPLING | OF_TOOLS))
    assert not writer().write(replace(ask(), quirks=refused), streamed=False).left_out


def test_the_entry_s_own_members_are_left_out_too() -> None:
    refused = Quirks(refused=frozenset({"seed"}))
    body = writer(extra_body={"seed": 1, "top_k": 2}).write(replace(ask(), quirks=refused), streamed=True).body
    assert ("seed" in body, body["top_k"]) == (False, 2)
