"""Actions are compared and voted on by names and canonical arguments; answers that lack the form are known."""

from __future__ import annotations

import json

import pytest

from lightrouter.answers.actions import action, groups, plain_text, similarity, vote
from lightrouter.answers.json_schema import OutputForm
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, JsonSchema, Media, OutputSpec, Part, Tool, ToolCall

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Bergen"]}, "days": {"type": "integer", "maximum": 7}},
        "required": ["city"],
        "additionalProperties": False,
    }
)
FORM = OutputForm(OutputSpec(tools=[Tool(name="f", parameters=SCHEMA), Tool(name="g")]), "output")
JSON_FORM = OutputForm(OutputSpec(json_schema=JsonSchema(schema=SCHEMA)), "output")


def f(arguments: str, name: str = "f") -> ToolCall:
    return ToolCall(id=arguments, name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ([f('{"a": 1, "b": 2.0}')], [f('{"b":2,"a":1}')], True),
        ([f("")], [f("{}")], True),
        ([f('{"a": 1}'), f("{}", "g")], [f("{}", "g"), f('{"a": 1}')], True),
        ([f('{"a": 1}')], [f('{"a": "1"}')], False),
        ([f("{}")], [f("{}", "g")], False),
        ([f("{}")], [], False),
        ([f("no json")], [f("no json")], True),
    ],
)
def test_actions_are_equal_by_their_meaning(left: list[ToolCall], right: list[ToolCall], same: bool) -> None:
    assert (action(left) == action(right)) is same


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ([[f('{"a": 1, "b": 2}')], [f('{"b": 2.0,"a":1}')], [f('{"a": 2, "b": 2}')]], [0, 0, 2]),
        ([[f('{"a": 1')], [f('{"a": 1, "b": 2}')], [f('{"a": 2}')], []], [1, 1, 2, None]),
        # Cut before they differ, it agrees with the first only.
        ([[f("{")], [f('{"a": 1}')], [f('{"a": 2}')]], [1, 1, 2]),
        ([[f("{}")], [f("{}", "g")]], [0, 1]),
        ([[], []], [None, None]),
    ],
)
def test_answers_that_want_the_same_are_one_group(actions: list[list[ToolCall]], found: list[int | None]) -> None:
    assert groups(actions) == found


def test_the_most_wanted_action_wins_and_a_tie_is_said() -> None:
    one, other = action([f("{}")]), action([f("{}", "g")])
    assert vote([one, other, other]) == (other, True)
    assert vote([one, other]) == (one, False)
    assert vote([one]) == (one, True)


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ([], [f("{")], 0.0),
        ([f("{")], [f("{", "g")], 0.0),
        ([f('{"city": "Os')], [f('{"city": "Oslo"}')], 1.0),
        ([f('{"city": "Oslo", "d')], [f('{"city": "Oslo"}')], 1.0),
        ([f('{"city": "Oslo",')], [f('{"city": "Bergen",')], 0.5),
        ([f('{"city": "Oslo", "days": 1}')], [f('{"days": 2, "city": "Oslo"}')], 0.75),
        ([], [], 1.0),
        # Another spelling is the same call, alone and beside others of its tool.
        ([f('{"city": "Oslo", "days": 1.0}')], [f('{"days":1,"city":"\\u004fslo"}')], 1.0),
        (
            [f('{"a": 1, "city": "Oslo"}'), f('{"city": "Bergen"}')],
            [f('{ "city" : "Bergen" }'), f('{"city":"Oslo","a":1}')],
            1.0,
        ),
        ([f(""), f("{}", "g")], [f("{}", "g"), f("{}")], 1.0),
        # A whole call has no further members.
        ([f('{"city": "Oslo"}')], [f('{"town": "Oslo"}')], 0.5),
        ([f('{"city": "Oslo"}')], [f('{"city": "Oslo", "days": 1}')], 0.75),
        ([f('{"city": "Oslo"}')], [f('{"city": "Oslo", "days": 1, "x')], 0.75),
        ([f("{}")], [f('{"city": "Oslo"}')], 0.5),
        # What is inside may be cut, too.
        ([f('{"days": [1, 2')], [f('{"days": [1, 2, 3]}')], 1.0),
        ([f('{"days": [1, 3, 4')], [f('{"days": [1, 2, 3]}')], 0.5),
        ([f('{"days": [1, 2, 3, 4,')], [f('{"days": [1, 2, 3]}')], 0.5),
        ([f('{"at": {"city": "Oslo", "days')], [f('{"at": {"days": 2, "city": "Oslo"}}')], 1.0),
        ([f('{"at": {"city": "Oslo", "days')], [f('{"at": {"days": 2, "city": "Bergen"}}')], 0.5),
        ([f('{"days": [1]}')], [f('{"days": {}}')], 0.5),
        # A call that the other does not make is a difference.
        ([f("{}")], [f("{}"), f("{}", "g")], 0.5),
        ([f("{}"), f("{}")], [f("{}")], 0.5),
        ([f("no json")], [f("no json")], 1.0),
        ([f("no json")], [f("{}")], 0.5),
    ],
)
def test_partial_calls_are_compared_as_far_as_both_are_complete(
    left: list[ToolCall], right: list[ToolCall], alike: float
) -> None:
    assert similarity(left, right) == similarity(right, left) == alike


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        ("", False),
        ('{"ci', False),
        ('{"city": "Os', False),
        ('{"city": "Oslo", "days": 1', False),
        ('{"city": "Paris"', True),
        ('{"city": "Oslo", "days": 9,', True),
        ('{"town": "Oslo"', True),
        ("[", True),
        ("Oslo", True),
    ],
)
def test_a_prefix_that_breaks_the_schema_is_out(arguments: str, out: bool) -> None:
    assert FORM.rules_out("", [f(arguments)]) is out


def test_a_tool_that_nobody_offered_is_out() -> None:
    assert FORM.rules_out("", [f("{", "h")])
    assert FORM.fault("", [f("{}", "h")])
    assert not FORM.fault("It rains.", [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"city": "Oslo"}', ""),
        ('{"city": "Paris"}', "does not fit its schema"),
        ("Oslo", "no JSON"),
        ('```json\n{"city": "Oslo"}\n```', "no JSON"),
        ("[]", "does not fit its schema"),
    ],
)
def test_faults_of_json(text: str, fault: str) -> None:
    said = JSON_FORM.fault(text, [])
    assert fault in said
    assert bool(fault) is bool(said)
    assert JSON_FORM.rules_out("Well, ", [])
    assert not JSON_FORM.rules_out('{"city": "O', [])


def test_a_call_that_has_to_come_and_does_not_is_a_fault() -> None:
    spec = OutputSpec(tools=[Tool(name="f")])
    spec.tool_choice.name = "f"
    assert OutputForm(spec, "output").fault("No.", [])


def test_a_message_is_shown_with_its_calls_and_pictures() -> None:
    picture = Part(image=Media(data=b"x", mime_type="image/png"))
    message = ChatMessage(role=ROLE_USER, content="See", parts=[picture, Part(text="this")], tool_calls=[f("{}")])
    assert plain_text(message) == "See\n[image]\nthis\ncalls f({})"
