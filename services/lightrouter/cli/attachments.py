"""What `ask` sends besides its prompt: tools, the answer's schema, and pictures, from files."""

from __future__ import annotations

import argparse
import json
import mimetypes
from pathlib import Path
from typing import Any, Final

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.v1.chat_pb2 import Media, Part, Tool
from lightrouter.v1.router_pb2 import Prompt

# The limit of the protos for the data of a part.
_MOST_BYTES: Final = 20 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that name files."""
    files = parser.add_argument_group("files")
    files.add_argument(
        "--tool",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a tool that the models may call, or a list of tools, as JSON: name, description, and parameters, a JSON "
        "Schema; OpenAI's form is read too",
    )
    files.add_argument("--schema", type=Path, metavar="FILE", help="a JSON Schema that the answer must fit")
    files.add_argument(
        "--image", type=Path, action="append", default=[], metavar="FILE", help="a picture that the prompt is about"
    )


def attach(arguments: argparse.Namespace, prompt: Prompt) -> None:
    """Adds what the files hold to a prompt, whose last message is the user's.

    Raises:
        CommandError: A file cannot be read, or does not hold what it should.
    """
    for path in arguments.tool:
        document = _json(path)
        for each in document if isinstance(document, list) else [document]:
            prompt.output.tools.append(_tool(each, path))
    if arguments.schema:
        prompt.output.json_schema.schema = json.dumps(_json(arguments.schema))
    for path in arguments.image:
        kind = mimetypes.guess_type(path.name)[0] or ""
        if not kind.startswith("image/"):
            raise CommandError(f"{path} is no picture by its name; name it like cat.png", ExitCode.USAGE)
        media = Media(data=_bytes(path), mime_type=kind, name=path.name)
        prompt.messages[-1].parts.append(Part(image=media))


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
