"""The real llama.cpp server: an answer by a JSON Schema, and tools that the model's template does not know."""

from __future__ import annotations

import importlib.util
import json

import pytest

from lightrouter.answers.json_schema import OutputForm
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    ROLE_USER,
    ChatMessage,
    JsonSchema,
    OutputSpec,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)
from tests.rpc.adapter_support import adapter, asked
from tests.suite.test_local_model import Local, local, model_file

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


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_model_whose_template_has_no_tools_answers_in_words(local: Local, streamed: bool) -> None:
    tool = Tool(name="get_weather", description="Returns the weather of a city.", parameters=SCHEMA)
    output = OutputSpec(tools=[tool], tool_choice=ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED))
    request = Generation(messages=QUESTION, output=output, sampling=GREEDY)
    async with adapter(str(local.http.base_url), model=local.model) as served:
        response = await asked(served, request, streamed=streamed)
    assert response.text
    assert not response.tool_calls
    assert response.result.finish_reason in {FINISH_REASON_STOP, FINISH_REASON_LENGTH}
    # The router knows that a call was wanted.
    assert OutputForm(output, "output").fault(response.text, response.tool_calls)
