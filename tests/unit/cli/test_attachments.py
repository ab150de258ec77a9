"""Tools, schemas and pictures that `ask` sends from files, and the calls that it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.v1.aggregator_pb2 import AnswerChunk
from lightrouter.v1.chat_pb2 import FINISH_REASON_TOOL_CALLS, JsonSchema, Media, OutputSpec, Part, Tool, ToolCall
from lightrouter.v1.router_pb2 import Answer, StreamCompleteResponse
from tests.unit.cli import events
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"name": "weather", "description": "Tells it.", "parameters": PARAMETERS}
TOOL = Tool(name="weather", description="Tells it.", parameters=json.dumps(PARAMETERS))


@pytest.mark.parametrize(
    ("document", "tools"),
    [
        pytest.param(WEATHER, [TOOL], id="one"),
        pytest.param([WEATHER, {"name": "stop"}], [TOOL, Tool(name="stop")], id="a list"),
        pytest.param({"type": "function", "function": WEATHER}, [TOOL], id="OpenAI's form"),
        pytest.param({"name": "stop", "strict": True}, [Tool(name="stop", strict=True)], id="strict"),
    ],
)
def test_tools_come_from_a_file(serve: Serve, tmp_path: Path, document: object, tools: list[Tool]) -> None:
    router, path = FakeRouter(events.ROUTE), tmp_path / "tool.json"
    path.write_text(json.dumps(document))
    assert run(["ask", "Why?", "--tool", str(path), "--address", serve(router)]) == 0
    assert router.prompts[0].output == OutputSpec(tools=tools)


def test_a_schema_and_pictures_come_from_files(serve: Serve, tmp_path: Path) -> None:
    router, schema = FakeRouter(events.ROUTE), tmp_path / "schema.json"
    schema.write_text(json.dumps(PARAMETERS))
    pictures = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for picture in pictures:
        picture.write_bytes(picture.name.encode())
    images = [word for picture in pictures for word in ("--image", str(picture))]
    assert run(["ask", "Why?", "--schema", str(schema), *images, "--address", serve(router)]) == 0
    (prompt,) = router.prompts
    assert prompt.output == OutputSpec(json_schema=JsonSchema(schema=json.dumps(PARAMETERS)))
    assert (prompt.messages[0].content, list(prompt.messages[0].parts)) == (
        "Why?",
        [
            Part(image=Media(data=b"a.png", mime_type="image/png", name="a.png")),
            Part(image=Media(data=b"b.jpg", mime_type="image/jpeg", name="b.jpg")),
        ],
    )


@pytest.mark.parametrize(
    ("flag", "name", "content", "said"),
    [
        ("--tool", "none.json", None, "cannot be read: No such file"),
        ("--tool", "a.json", "{", "is no JSON"),
        ("--tool", "a.json", "3", "holds no tool"),
        ("--tool", "a.json", '[{"name": 3}]', "holds no tool"),
        ("--tool", "a.json", '{"function": []}', "holds no tool"),
        ("--schema", "a.json", "prose", "is no JSON"),
        ("--image", "a.txt", "text", "is no picture by its name"),
        ("--image", "none.png", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_does_not_hold_what_it_should_is_refused_before_a_call(
    serve: Serve,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    name: str,
    content: str | None,
    said: str,
) -> None:
    router, path = FakeRouter(events.ROUTE), tmp_path / name
    if content is not None:
        path.write_text(content)
    assert run(["ask", "Why?", flag, str(path), "--address", serve(router)]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert name in told
    assert said in told
    assert not router.prompts


def test_calls_are_shown_as_calls(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    calls = [
        ToolCall(id="1", name="weather", arguments='{"city": "Oslo"}'),
        ToolCall(id="2", name="stop", arguments="{}"),
    ]
    answer = Answer(finish_reason=FINISH_REASON_TOOL_CALLS, tool_calls=calls, candidates=["a"])
    route = [StreamCompleteResponse(chunk=AnswerChunk(text="A moment.")), StreamCompleteResponse(answer=answer)]
    assert run(["ask", "Why?", "--address", serve(FakeRouter(route))]) == 0
    shown = capsys.readouterr().out
    assert 'weather({"city": "Oslo"})' in shown
    assert "stop({})" in shown
