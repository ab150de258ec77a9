"""The options that make a prompt: a flag for each field of its policy and its sampling, and its parts from files."""

from __future__ import annotations

import json
import mimetypes
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from lightrouter.cli.answers import PATTERN_HELP, answer_pattern
from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import Decorator, Dollars, Names, Number, Whole, alone, argument, option, together
from lightrouter.runtime import enums
from lightrouter.v1.chat_pb2 import ChatMessage, Media, OutputSpec, Part, Role, Sampling, Tool, ToolMode
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Prompt
from lightrouter.vendor.buf.validate import validate_pb2

POLICY: Final = {
    "worth_nanousd": "what a right answer is worth, US dollars: one more candidate is asked only while that is worth "
    "its cost",
    "max_cost_nanousd": "maximum cost of the route, US dollars",
    "candidates": "names of the candidates that may answer",
    "category": "kind of prompt, as the evaluations name it",
    "shortlist": "maximum candidates that boot; 0: all",
    "boot_tokens": "tokens that each candidate writes first",
    "quorum": "share of the candidates whose partials are enough for the ranking",
    "hold": "whether the calls that boot stay open until the ranking",
    "selector": "how to rank the partials",
    "k": "candidates that go on after the ranking",
    "margin": "lead at which one candidate is enough",
    "agreement": "agreement at which one candidate is enough",
    "min_gain": "quality that 1,000 tokens of one more draft must add",
    "aggregator": "how drafts become the answer",
}
"""The fields of a policy that are one flag each, and what they are."""
SAMPLING: Final = {
    "max_output_tokens": "maximum tokens of the answer",
    "temperature": "randomness",
    "top_p": "probability mass of the tokens that are sampled",
    "stop": "text at which the answer ends; may be repeated",
    "seed": "seed of every random choice",
    "reasoning_effort": "how much the models reason before they answer",
}
"""The fields of the sampling, and what they are."""
_OTHER_FLAGS: Final = {
    "json_pointer": "--answer-pointer",
    "tools": "--tool",
    "tool_choice": "--tool-choice",
    "parallel_tool_calls": "--parallel-tool-calls",
    "json_schema": "--schema",
    "json_object": "--json-object",
} | dict.fromkeys(("answer_pattern", "re2", "number", "choices"), "--answer-pattern")
_KINDS: Final = {"image/": ("picture", "cat.png"), "audio/": ("sound", "question.wav")}
_URI: Final = re.compile(r"(?:https|gs|s3|file-id):\S+")
# The limit of the protos for the data of a part.
_MOST_BYTES: Final = 20 * 1024 * 1024


def flag(field: str) -> str | None:
    """Returns the flag of a field of a prompt; None if it has none."""
    if field in POLICY or field in SAMPLING:
        return f"--{field.removesuffix('_nanousd').replace('_', '-')}"
    return _OTHER_FLAGS.get(field)


def prompt_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the prompt and everything that it may have; the function gets it as `prompt`, a `Prompt`.

    What is not given stays unset: the router's configuration decides.
    """

    @wraps(function)
    def asking(prompt: str, **given: Any) -> Any:
        content = sys.stdin.read() if prompt == "-" else prompt
        if not content.strip():
            raise CommandError("the prompt is empty", ExitCode.USAGE)
        made = Prompt()
        if system := given.pop("system"):
            made.messages.add(role=Role.ROLE_SYSTEM, content=system)
        made.messages.append(ChatMessage(role=Role.ROLE_USER, content=content, parts=_parts(given)))
        made.policy.SetInParent()
        _fill(made.policy, POLICY, given)
        _fill(made.sampling, SAMPLING, given)
        _find_answer(made.policy, given.pop("answer_pattern"), given.pop("answer_pointer"))
        _shape(made, given)
        return function(prompt=made, **given)

    add = together(
        argument("prompt", "the prompt; - reads it from standard input"),
        *(_flag(Policy, name, about, "Routing") for name, about in POLICY.items()),
        option(
            "--answer-pattern",
            metavar="PATTERN",
            section="Routing",
            help=f"the comparable answer, for voting: {PATTERN_HELP}",
        ),
        option("--answer-pointer", metavar="POINTER", section="Routing", help="JSON pointer to the comparable answer"),
        *(_flag(Sampling, name, about, "Generation") for name, about in SAMPLING.items()),
        option("--system", metavar="TEXT", section="Contents", help="instructions for the whole conversation"),
        *(
            option(f"--{kind}", multiple=True, metavar="FILE|URI", section="Contents", help=f"{about}; may be repeated")
            for kind, about in (
                ("image", "a picture that the prompt is about"),
                ("file", "a document"),
                ("audio", "a recording of sound"),
            )
        ),
        option(
            "--tool",
            type=Path,
            multiple=True,
            section="Contents",
            help="a tool that the models may call, or a list of tools, as JSON: name, description, and parameters, a "
            "JSON Schema; OpenAI's form is read too; may be repeated",
        ),
        option(
            "--tool-choice", metavar="CHOICE", section="Contents", help="auto, none, required, or the name of a tool"
        ),
        option(
            "--parallel-tool-calls/--no-parallel-tool-calls",
            default=None,
            section="Contents",
            help="whether an answer may call several tools",
        ),
        option("--schema", type=Path, section="Contents", help="a JSON Schema that the answer must fit"),
        option("--json-object", is_flag=True, section="Contents", help="the answer must be a JSON object"),
    )
    return add(asking)


def _flag(message: type[Message], name: str, about: str, section: str) -> Decorator:
    """Returns the option of a field, with the range that the protos give it."""
    field: Any = message.DESCRIPTOR.fields_by_name[name]
    kind = _type(field)
    multiple = field.is_repeated and not isinstance(kind, Names)
    return option(str(flag(name)), name, type=kind, multiple=multiple, section=section, help=about)


def _type(field: Any) -> click.ParamType[Any, Any]:
    if field.enum_type:
        return click.Choice(enums.labels(EnumTypeWrapper(field.enum_type)))
    rules = field.GetOptions().Extensions[validate_pb2.field]
    kind = rules.WhichOneof("type")
    bounds = getattr(rules, str(kind))
    if field.name.endswith("_nanousd"):
        return Dollars(zero=bounds.gte == 0)
    if kind == "double":
        least = bounds.gt if bounds.HasField("gt") else bounds.gte
        return Number(least, bounds.lte, min_open=bounds.HasField("gt"))
    if kind in {"int32", "int64"}:
        return Whole(bounds.gte, bounds.lte)
    return Names() if field.name == "candidates" else click.STRING


def _fill(message: Message, fields: Iterable[str], given: dict[str, Any]) -> None:
    """Sets the fields whose flags are given, and takes them out of `given`."""
    for name in fields:
        value: Any = given.pop(name)
        field: Any = message.DESCRIPTOR.fields_by_name[name]
        if value is None or value == ():
            continue
        if field.is_repeated:
            getattr(message, name).extend(value)
        else:
            setattr(message, name, enums.value(EnumTypeWrapper(field.enum_type), value) if field.enum_type else value)


def _find_answer(policy: Policy, pattern: str | None, pointer: str | None) -> None:
    if pattern is not None and pointer is not None:
        alone(answer_pattern=True, answer_pointer=True)
    if pattern is not None:
        policy.answer_pattern.CopyFrom(answer_pattern(pattern))
    if pointer is not None:
        policy.answer_pattern.json_pointer = pointer


def _parts(given: dict[str, Any]) -> Iterator[Part]:
    for kind in ("image", "file", "audio"):
        for place in given.pop(kind):
            part = Part()
            getattr(part, kind).CopyFrom(_media(place, "" if kind == "file" else f"{kind}/"))
            yield part


def _media(place: str, family: str) -> Media:
    """Returns what a file holds, or the URI that stands for it; `family` begins its type, as image/."""
    kind = mimetypes.guess_type(place)[0] or ""
    if _URI.fullmatch(place):
        return Media(uri=place, mime_type=kind if kind.startswith(family) else "")
    if "://" in place:
        raise CommandError(f"{place} is no URI of a kind that models take: https, gs or s3", ExitCode.USAGE)
    path = Path(place)
    if not kind or not kind.startswith(family):
        wanted = {
            "image/": "picture by its name; name it like cat.png",
            "audio/": "sound by its name; name it like a.wav",
        }
        said = wanted.get(family, "file of a known type by its name; name it like report.pdf")
        raise CommandError(f"{path} is no {said}", ExitCode.USAGE)
    return Media(data=_bytes(path), mime_type=kind, name=path.name)


def _shape(prompt: Prompt, given: dict[str, Any]) -> None:
    """Says which tools and which form the answer has."""
    schema, json_object, choice = given.pop("schema"), given.pop("json_object"), given.pop("tool_choice")
    parallel = given.pop("parallel_tool_calls")
    alone(schema=schema, json_object=json_object)
    output = OutputSpec()
    for path in given.pop("tool"):
        document = _json(path)
        for each in document if isinstance(document, list) else [document]:
            output.tools.append(_tool(each, path))
    if choice in enums.labels(ToolMode):
        output.tool_choice.mode = enums.value(ToolMode, choice)
    elif choice:
        output.tool_choice.name = choice
    if parallel is not None:
        output.parallel_tool_calls = parallel
    if schema:
        output.json_schema.schema = json.dumps(_json(schema))
    if json_object:
        output.json_object = True
    if output.ByteSize():
        prompt.output.CopyFrom(output)


def _tool(document: Any, path: Path) -> Tool:
    function = document.get("function", document) if isinstance(document, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise CommandError(f"{path} holds no tool: an object with a name, a description and parameters", ExitCode.USAGE)
    tool = Tool(name=function["name"], description=str(function.get("description") or ""))
    if function.get("parameters"):
        tool.parameters = json.dumps(function["parameters"])
    tool.strict = function.get("strict") is True
    return tool


def _json(path: Path) -> Any:
    try:
        return json.loads(_bytes(path))
    except ValueError:
        raise CommandError(f"{path} is no JSON", ExitCode.USAGE) from None


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CommandError(f"{path} is larger than {_MOST_BYTES:,} bytes", ExitCode.USAGE)
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}", ExitCode.USAGE) from None
