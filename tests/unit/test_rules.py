"""Every field that a caller sets has rules, and each rule refuses what breaks it under the field's path."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from protovalidate import Violation, collect_violations

from lightrouter.v1 import adapter_pb2, aggregator_pb2, router_pb2, selector_pb2
from lightrouter.v1.adapter_pb2 import GenerateRequest, StreamGenerateRequest
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.selector_pb2 import SelectRequest
from lightrouter.vendor.buf.validate import validate_pb2
from tests.unit.rule_examples import AT_THE_BOUNDS, EXAMPLES, VALID, Example, Request, prompt


def requests() -> list[Descriptor]:
    """Returns the request of every RPC."""
    modules = (router_pb2, adapter_pb2, selector_pb2, aggregator_pb2)
    services = [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
    return [method.input_type for service in services for method in service.methods]


def messages() -> list[Descriptor]:
    """Returns every message that a caller can set: the requests and what they are made of."""
    found: dict[str, Descriptor] = {}
    waiting = requests()
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found[message.full_name] = message
            waiting += [field.message_type for field in message.fields if field.message_type is not None]
    return list(found.values())


def fields() -> list[FieldDescriptor]:
    """Returns every field that a caller can set."""
    return [field for message in messages() for field in message.fields]


def rules_in(rules: Message, prefix: str = "") -> Iterator[str]:
    """Yields the paths of all rules that are set; the id of a CEL rule in the place of its path."""
    for field, value in rules.ListFields():
        if field.name == "cel":
            yield from (rule.id for rule in value)
        elif isinstance(value, Message):
            yield from rules_in(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def rules_of(field: FieldDescriptor) -> set[str]:
    """Returns the paths of the rules of a field."""
    return set(rules_in(field.GetOptions().Extensions[validate_pb2.field]))


def rules_of_whole(message: Descriptor) -> set[str]:
    """Returns the ids of the rules of a message as a whole."""
    return set(rules_in(message.GetOptions().Extensions[validate_pb2.message]))


def declared() -> Iterator[tuple[str, str]]:
    """Yields the full name of each field, oneof or message that a caller can set, once with each rule that it has."""
    for message in messages():
        yield from ((message.full_name, rule) for rule in rules_of_whole(message))
    for field in fields():
        yield from ((field.full_name, rule) for rule in rules_of(field))
        oneof = field.containing_oneof
        if oneof is not None and oneof.GetOptions().Extensions[validate_pb2.oneof].required:
            yield oneof.full_name, "required"


def full_name(request: Request, path: str, rule: str) -> str:
    """Returns the full name of what a rule is of: the field or oneof at the end of a path, or the field's message."""
    name = request.DESCRIPTOR.full_name
    types = {field.full_name: field.message_type for field in fields()}
    *parents, last = re.sub(r"\[\d+\]", "", path).split(".")
    for parent in parents:
        message = types[f"{name}.{parent}"]
        assert message is not None
        name = message.full_name
    kind = types.get(f"{name}.{last}")
    if kind and rule in rules_of_whole(kind):
        return kind.full_name
    return f"{name}.{last}"


def field_path(violation: Violation) -> str:
    """Returns the path of the field at fault."""
    elements = violation.proto.field.elements if violation.proto.field else ()
    return ".".join(
        element.field_name if element.subscript is None else f"{element.field_name}[{element.subscript.value}]"
        for element in elements
    )


def rules_broken(violation: Violation) -> set[str]:
    """Returns the paths of the rules that were broken: of both ends for a range, which is one rule to protovalidate."""
    names = [element.field_name for element in violation.proto.rule.elements] if violation.proto.rule else []
    if not names or names[0] == "cel":
        return {violation.proto.rule_id}
    *parents, last = names
    ends = violation.proto.rule_id.rpartition(".")[2].split("_") if last in {"gt", "gte"} else [last]
    return {".".join((*parents, end)) for end in ends}


def named(example: Example) -> str:
    """Returns the name of an example's test."""
    return f"{example.request.DESCRIPTOR.name}.{example.field}-{example.rule}"


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_refuses_what_breaks_a_rule(example: Example) -> None:
    violations = collect_violations(example.build())
    assert [field_path(violation) for violation in violations] == [example.field]
    assert example.rule in rules_broken(violations[0])
    assert violations[0].proto.message


@pytest.mark.parametrize("request_type", VALID, ids=lambda request: request.__name__)
def test_accepts_the_least_request(request_type: Request) -> None:
    assert collect_violations(text_format.Parse(VALID[request_type], request_type())) == []


@pytest.mark.parametrize("text", AT_THE_BOUNDS, ids=lambda text: text[:60])
def test_accepts_the_ends_of_ranges(text: str) -> None:
    assert collect_violations(prompt(text, "", "").build()) == []


def test_every_rule_has_an_example() -> None:
    tried = {(full_name(example.request, example.field, example.rule), example.rule) for example in EXAMPLES}
    assert set(declared()) - tried == set()


@pytest.mark.parametrize(
    ("request_type", "text"),
    [
        (GenerateRequest, "generation { stage: 99 }"),
        (StreamGenerateRequest, "generation { stage: 99 }"),
        (SelectRequest, 'partials { candidate: "x" finish_reason: 99 }'),
        (AggregateRequest, 'drafts { candidate: "x" text: "x" finish_reason: 99 }'),
    ],
)
def test_accepts_what_a_newer_service_says(request_type: Request, text: str) -> None:
    assert collect_violations(Example(request_type, text, "", "").build()) == []


def test_every_field_that_a_caller_sets_has_rules() -> None:
    # What services tell each other, which a newer one may have more words for.
    told = {
        "lightrouter.v1.Generation.stage",
        "lightrouter.v1.Partial.finish_reason",
        "lightrouter.v1.Draft.finish_reason",
    }
    free = {
        field.full_name
        for field in fields()
        if not rules_of(field) and field.message_type is None and field.type != FieldDescriptor.TYPE_BOOL
    }
    assert free == told
