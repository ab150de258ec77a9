"""The protos are commented and typed as promised, and the generated code is theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from tools import protos

NUMBERS = (
    FieldDescriptorProto.TYPE_DOUBLE,
    FieldDescriptorProto.TYPE_FLOAT,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_UINT32,
    FieldDescriptorProto.TYPE_UINT64,
)


@dataclass(frozen=True)
class Element:
    """Something that the protos declare, with the comment before it."""

    name: str
    comment: str
    field: FieldDescriptorProto | None = None


@pytest.fixture(scope="module")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a file with the descriptors that the protos import."""
    path = tmp_path_factory.mktemp("protos") / "validate.binpb"
    path.write_bytes(protos.imported_descriptors())
    return path


@pytest.fixture(scope="module")
def files(descriptors: Path) -> list[FileDescriptorProto]:
    """Returns the project's protos as descriptors with their comments."""
    image = descriptors.with_name("image.binpb")
    protos.write_image(protos.PROTOS, descriptors, image)
    every = FileDescriptorSet.FromString(image.read_bytes()).file
    return [file for file in every if file.package.startswith("lightrouter.")]


@pytest.fixture(scope="module")
def elements(files: list[FileDescriptorProto]) -> list[Element]:
    """Returns everything that the project's protos declare."""
    return [element for file in files for element in declared(file)]


def declared(file: FileDescriptorProto) -> Iterator[Element]:
    """Yields all that a file declares."""
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    numbers = {field.name: field.number for field in FileDescriptorProto.DESCRIPTOR.fields}
    for at, message in enumerate(file.message_type):
        yield from in_message(message, (numbers["message_type"], at), comments)
    for at, enum in enumerate(file.enum_type):
        yield from in_enum(enum, (numbers["enum_type"], at), comments)
    for at, service in enumerate(file.service):
        path = (numbers["service"], at)
        yield Element(service.name, comments.get(path, ""))
        for index, method in enumerate(service.method):
            yield Element(f"{service.name}.{method.name}", comments.get((*path, 2, index), ""))


def in_message(
    message: DescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str], scope: str = ""
) -> Iterator[Element]:
    """Yields a message and all that it declares."""
    name = scope + message.name
    numbers = {field.name: field.number for field in DescriptorProto.DESCRIPTOR.fields}
    yield Element(name, comments.get(path, ""))
    for at, field in enumerate(message.field):
        yield Element(f"{name}.{field.name}", comments.get((*path, numbers["field"], at), ""), field)
    for at, oneof in enumerate(message.oneof_decl):
        if not any(field.proto3_optional and field.oneof_index == at for field in message.field):
            yield Element(f"{name}.{oneof.name}", comments.get((*path, numbers["oneof_decl"], at), ""))
    for at, nested in enumerate(message.nested_type):
        yield from in_message(nested, (*path, numbers["nested_type"], at), comments, f"{name}.")
    for at, enum in enumerate(message.enum_type):
        yield from in_enum(enum, (*path, numbers["enum_type"], at), comments, f"{name}.")


def in_enum(
    enum: EnumDescriptorProto, path: tuple[int, ...], comments: dict[tuple[int, ...], str], scope: str = ""
) -> Iterator[Element]:
    """Yields an enum and its values."""
    yield Element(scope + enum.name, comments.get(path, ""))
    for at, value in enumerate(enum.value):
        yield Element(f"{scope}{enum.name}.{value.name}", comments.get((*path, 2, at), ""))


def test_everything_is_commented_in_sentences(elements: list[Element]) -> None:
    assert len(elements) > 200
    assert [element.name for element in elements if not re.search(r"\S.*\.\s*\Z", element.comment, re.DOTALL)] == []


def test_what_may_be_left_out_says_its_default(elements: list[Element]) -> None:
    optional = [element for element in elements if element.field is not None and element.field.proto3_optional]
    assert len(optional) > 5
    assert [element.name for element in optional if "Default:" not in element.comment] == []


def test_money_is_integer_nano_dollars_and_says_so(elements: list[Element]) -> None:
    comments = {element.name: element.comment for element in elements}
    amounts = [
        element
        for element in elements
        if element.field and element.field.type in NUMBERS and re.search("cost|price|money|usd", element.name.lower())
    ]
    assert len(amounts) > 5
    for amount in amounts:
        message = amount.name.partition(".")[0]
        assert "_nanousd" in amount.name
        assert amount.field is not None
        assert amount.field.type == FieldDescriptorProto.TYPE_INT64, amount.name
        assert "nano-dollars" in amount.comment + comments[message], amount.name


def test_times_are_durations(elements: list[Element]) -> None:
    def is_duration(element: Element) -> bool:
        return element.field is not None and element.field.type_name == ".google.protobuf.Duration"

    pattern = re.compile(r"\.(elapsed|.*(time_to|timeout|delay|latency|duration|_seconds|_ms|_s)(_.*)?)$")
    times = [element for element in elements if element.field and pattern.search(element.name)]
    assert len(times) >= 5
    assert [element.name for element in times if not is_duration(element)] == []


@pytest.mark.parametrize(("message", "reason"), [("Degradation", "DegradedReason"), ("Failure", "ErrorReason")])
def test_reasons_are_an_enum_with_a_sentence(elements: list[Element], message: str, reason: str) -> None:
    fields = {element.name: element.field for element in elements}
    kind, sentence = fields[f"{message}.reason"], fields[f"{message}.message"]
    assert kind is not None
    assert sentence is not None
    assert kind.type_name == f".lightrouter.v1.{reason}"
    assert sentence.type == FieldDescriptorProto.TYPE_STRING


def test_the_generated_code_is_that_of_the_protos(descriptors: Path) -> None:
    assert protos.differences(protos.PROTOS, descriptors, protos.ROOT / "services") == []
