"""The real llama.cpp server: answers by a JSON Schema, and tools with templates that know them or do not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from lightrouter.answers.json_schema import OutputForm
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FINISH_REASON_TOOL_CALLS,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    ChatMessage,
    JsonSchema,
    OutputSpec,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
)
from tests.rpc.adapter_support import adapter, asked
from tests.suite.test_local_model import Local, local, model_file, serving

__all__ = ["local", "model_file"]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp, the optional dependency `local`, is not installed"
)

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Paris"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
)
WEATHER = Tool(name="get_weather", description="Returns the weather of a city.", parameters=SCHEMA)
# In the form of Hermes: each call is JSON between two tags.
TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\nCall a tool as <tool_call>{"name": ..., "arguments": {...}}</tool_call>. Tools:\\n' }}
{%- for tool in tools %}
{{- tool | tojson + '\\n' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string %}
{{- message.content }}
{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
GREEDY = Sampling(max_output_tokens=64, temperature=0)
QUESTION = [ChatMessage(role=ROLE_USER, content="What is the weather in Oslo?")]


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_answer_fits_its_schema(local: Local, streamed: bool) -> None:
    request = Generation(messages=QUESTION, output=OutputSpec(json_schema=JsonSchema(schema=SCHEMA)), sampling=GREEDY)
    async with adapter(str(local.http.base_url), model=local.model) as served:
        response = await asked(served, request, streamed=streamed)
    assert json.loads(response.text)["city"] in {"Oslo", "Paris"}
    assert response.result.finish_reason == FINISH_REASON_STOP
    assert not response.result.left_out


async def test_a_model_whose_template_has_tools_calls_one(model_file: Path, tmp_path: Path) -> None:
    template = tmp_path / "tools.jinja"
    template.write_text(TEMPLATE)
    # So small a model calls a tool if it has seen a call.
    before = ToolCall(id="a", name="get_weather", arguments='{"city": "Paris"}')
    turns = [
        ChatMessage(role=ROLE_USER, content="What is the weather in Paris?"),
        ChatMessage(role=ROLE_ASSISTANT, tool_calls=[before]),
        ChatMessage(role=ROLE_TOOL, tool_call_id="a", content="rainy"),
        *QUESTION,
    ]
    output = OutputSpec(tools=[WEATHER], tool_choice=ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED))
    request = Generation(messages=turns, output=output, sampling=GREEDY)
    async with (
        serving(model_file, "--chat-template-file", str(template)) as local,
        adapter(str(local.http.base_url), model=local.model) as served,
    ):
        for streamed in (False, True):
            response = await asked(served, request, streamed=streamed)
            (call,) = response.tool_calls
            assert call.name == "get_weather"
            assert json.loads(call.arguments)["city"] in {"Oslo", "Paris"}
            assert call.id
            assert response.result.finish_reason == FINISH_REASON_TOOL_CALLS
            assert not OutputForm(output, "output").fault(response.text, response.tool_calls)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_model_whose_template_has_no_tools_answers_in_words(local: Local, streamed: bool) -> None:
    output = OutputSpec(tools=[WEATHER], tool_choice=ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED))
    request = Generation(messages=QUESTION, output=output, sampling=GREEDY)
    async with adapter(str(local.http.base_url), model=local.model) as served:
        response = await asked(served, request, streamed=streamed)
    assert response.text
    assert not response.tool_calls
    assert response.result.finish_reason in {FINISH_REASON_STOP, FINISH_REASON_LENGTH}
    # The router knows that a call was wanted.
    assert OutputForm(output, "output").fault(response.text, response.tool_calls)
