"""Writes the pages of docs/reference.

Each is made of what it describes: help texts, pydantic models, protos, instruments, alert rules, an artifact.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final
from unittest import mock

import click
import yaml
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from pydantic import BaseModel

from lightrouter.adapter import instruments as adapter_instruments
from lightrouter.adapter.settings import AdapterSettings
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.cli.__main__ import run
from lightrouter.cli.commands import LIGHTROUTER
from lightrouter.cli.grammar import Commands
from lightrouter.pool.schema import CandidateEntry, PoolDocument
from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry import instruments as router_instruments
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import instruments as service_instruments
from lightrouter.selector.settings import SelectorSettings
from tools import protos
from tools.model_schema import docstrings

ROOT: Final = Path(__file__).resolve().parent.parent
_FOLDER: Final = ROOT / "docs" / "reference"
_ARTIFACT: Final = ROOT / "services" / "lightrouter" / "learned" / "general" / "manifest.json"
_RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yaml"
_EXPECTED: Final = {"planned_usd_per_1000": "planned call by call", "quoted_usd_per_1000": "quoted before"}
_PROMPTS_WITH: Final = {True: "lettered options", False: "free text"}
_SERVICES: Final = (RouterSettings, SelectorSettings, AggregatorSettings, AdapterSettings)
_INSTRUMENTS: Final = {
    "Router": router_instruments,
    "Adapter": adapter_instruments,
    "Every service": service_instruments,
}
_HELP_COLUMNS: Final = 100
# Field numbers in descriptor.proto, of which the paths of comments are made.
_MESSAGES, _ENUMS, _SERVICES_OF_FILE, _MEMBERS, _NESTED, _NESTED_ENUMS = 4, 5, 6, 2, 3, 4

Comments = Mapping[tuple[int, ...], str]


def outputs() -> dict[Path, str]:
    """Returns what the pages should hold, by file."""
    files = _described()
    pages = {
        "cli": _page("The command line", cli()),
        "settings": _page("The services' settings", settings()),
        "pool": _page("The pool file", pool()),
        "api": _page("The API", api(files)),
        "errors": _page("The reasons of failures", errors(files)),
        "metrics": _page("The metrics", metrics()),
        "alerts": _page("The alerts", alerts()),
        "artifact": _page("The artifact in the package", artifact()),
    }
    return {_FOLDER / f"{name}.md": text for name, text in pages.items()}


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", "<!-- made by `make reference` -->", *parts]) + "\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


def cli(words: tuple[str, ...] = (), command: click.Command = LIGHTROUTER) -> Iterator[str]:
    """Yields the help of a command, then that of each of its commands."""
    printed = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS=str(_HELP_COLUMNS)), redirect_stdout(printed):
        run([*words, "--help"])
    yield f"## `{' '.join(('lightrouter', *words))}`\n\n```text\n{printed.getvalue().strip()}\n```"
    if words == ("serve",):
        yield "[The settings of the services](settings.md)."
    if isinstance(command, Commands):
        for name in command.commands:
            yield from cli((*words, name), command.loaded(name))


def settings() -> Iterator[str]:
    """Yields the tables of the services' settings: those of all, then each service's own."""
    yield (
        "`boot_tokens` of the router is the flag `--boot-tokens`, the variable `LIGHTROUTER_ROUTER_BOOT_TOKENS`, and a "
        "key of the YAML file that `--config` names. `lightrouter serve all` has the settings of all services; its "
        "variables begin with `LIGHTROUTER_ALL_`."
    )
    yield "## Every service\n\n" + _fields(ServiceSettings, ServiceSettings.model_fields)
    for service in _SERVICES:
        own = [name for name in service.model_fields if name not in ServiceSettings.model_fields]
        prefix = service.model_config.get("env_prefix")
        name = service.__name__.removesuffix("Settings")
        yield f"## {name}\n\nThe variables begin with `{prefix}`.\n\n{_fields(service, own)}"


def _fields(model: type[BaseModel], names: Iterable[str]) -> str:
    texts = _texts(model)
    return _table(
        ["setting", "default", "what it is"],
        ([f"`{name}`", _default(model, name), texts[name]] for name in names),
    )


def _texts(model: type[BaseModel]) -> dict[str, str]:
    kinds = [kind for kind in reversed(model.__mro__) if issubclass(kind, BaseModel) and kind is not BaseModel]
    return {name: text for kind in kinds for name, text in docstrings(kind).items()}


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    if isinstance(field.default, Path):
        # Where the package is installed.
        return "in the package"
    plain = json.loads(model.model_construct(**{name: field.default}).model_dump_json(include={name}, by_alias=False))
    return "" if plain[name] in (None, "", [], {}) else f"`{json.dumps(plain[name])}`"


def pool() -> Iterator[str]:
    """Yields the tables of the pool file's keys."""
    yield "[The pool](../concepts/pool.md) has an example. Unknown keys are refused."
    yield "## The file\n\n" + _fields(PoolDocument, PoolDocument.model_fields)
    sections: dict[str, type[BaseModel]] = {}
    rows = []
    texts = _texts(CandidateEntry)
    for name, field in CandidateEntry.model_fields.items():
        if isinstance(field.default, BaseModel):
            sections[name] = type(field.default)
        default = f"[`{name}`](#{name})" if name in sections else _default(CandidateEntry, name)
        rows.append([f"`{name}`", default, texts[name]])
    yield "## A candidate\n\n" + _table(["key", "default", "what it is"], rows)
    for name, model in sections.items():
        yield f"## {name}\n\n{_fields(model, model.model_fields)}"


def metrics() -> Iterator[str]:
    """Yields the tables of the metrics, by the service that exports them."""
    yield (
        "Values of labels are names from the pool and values of the protos' enums. In Prometheus a dot becomes an "
        "underscore, and the unit is added."
    )
    for title, module in _INSTRUMENTS.items():
        found = [each for each in vars(module).values() if isinstance(each, service_instruments.Instrument)]
        rows = ([f"`{each.name}`", f"`{each.unit}`", _names(each.attributes), each.description] for each in found)
        yield f"## {title}\n\n" + _table(["metric", "unit", "labels", "what it is"], rows)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def alerts() -> Iterator[str]:
    """Yields the alerts with what to do."""
    yield "`deploy/prometheus/rules.yaml` has the expressions. The thresholds are a start; adapt them to your traffic."
    for group in yaml.safe_load(_RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                notes: Mapping[str, Any] = rule["annotations"]
                summary = re.sub(r"\{\{ *\$(?:labels\.)?(\w+)[^}]*\}\}", r"`\1`", notes["summary"])
                yield (
                    f"## {rule['alert']}\n\n{_cell(summary)} ({rule['labels']['severity']}, after "
                    f"{rule.get('for', '0m')})\n\n{_cell(notes['runbook'])}"
                )


def artifact() -> Iterator[str]:
    """Yields the model card of the artifact that the package contains."""
    manifest = json.loads(_ARTIFACT.read_text(encoding="utf-8"))
    figures = manifest["metrics"]
    yield (
        "The artifact of the selector `learned`, made by `lightrouter lab train RECORDING RECORDING --out DIR`. Use: "
        "to rank answers of models like those below, to prompts like those that it learned from. It knows no other "
        "models and holds no text: prompts are hashed words. [Evidence](../evidence.md) has its limits."
    )
    rows = [
        ["prompts", str(figures["prompts"])],
        ["models", _names(manifest["candidates"])],
        ["boot tokens", ", ".join(map(str, manifest["options"]["boot_tokens"]))],
        ["features", f"{len(manifest['features'])} of an answer, {len(manifest['gain_features'])} of a further one"],
        ["quality of the best of three partials", _interval(figures["picked_quality"])],
        ["quality of the best single model", _interval(figures["best_single_quality"])],
        ["difference", _interval(figures["difference"])],
        ["mean squared error of the expected quality", _interval(figures["brier"])],
        ["gain of a second draft", _interval(figures["second_draft_gain"])],
        ["weight of the trees in the choice of the first candidate", str(manifest["first_gain_share"])],
        ["recommended worth", f"${figures['recommended_worth_usd']}"],
        ["SHA-256 of the recordings", f"`{manifest['data_sha256']}`"],
    ]
    yield "## The card\n\nFigures are cross-validated, with 95 % intervals.\n\n" + _table(["", ""], rows)
    # An artifact that was trained before routes were quoted has no quotes.
    money = [name for name in _EXPECTED if name in figures["worths"][0]]
    worths = (
        [
            f"${point['worth_usd']}",
            _interval(point["quality"]),
            f"${point['usd_per_1000']}",
            *(f"${point[name]}" for name in money),
            str(point["asked"]),
        ]
        for point in figures["worths"]
    )
    heads = ["worth", "quality", "cost of 1,000 prompts", *map(_EXPECTED.__getitem__, money), "candidates asked"]
    yield "## What a worth buys\n\n" + _table(heads, worths)
    yield "## What a boot gives\n\n" + "\n\n".join((*_tried(figures.get("boots") or ()), _boots(manifest["boots"])))


def _tried(kinds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yields what boots came to on whole routes."""
    for each in kinds:
        value, low, high = each["gain"]
        yield (
            f"Tried on whole routes ({_PROMPTS_WITH[each['options']]}, {each['prompts']} prompts, all worths above): "
            f"{each['begun']:.1%} began with a boot. Quality less money, as a share of the worth: {value:+.4f} "
            f"({low:+.4f} to {high:+.4f}), so boots are {'kept' if each['kept'] else 'left out'}."
        )


def _boots(shares: Sequence[Mapping[str, Any]]) -> str:
    """Returns the established rises by boots; a sentence if there are none."""
    rows = [
        [_PROMPTS_WITH[each["options"]], each["candidates"], each["tokens"], each["share"]]
        for each in shares
        if each["share"]
    ]
    if not rows:
        return "No rise by a boot is known to this artifact: candidates are asked outright under worth."
    heads = ["prompts", "candidates that boot", "boot tokens", "rise, as a share of what a perfect choice would add"]
    return _table(heads, [list(map(str, row)) for row in rows])


def _interval(figures: Iterable[float]) -> str:
    value, low, high = figures
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _described() -> list[FileDescriptorProto]:
    """Returns the protos with their comments."""
    with tempfile.TemporaryDirectory() as folder:
        descriptors, image = Path(folder, "validate.binpb"), Path(folder, "image.binpb")
        descriptors.write_bytes(protos.imported_descriptors())
        protos.write_image(protos.PROTOS, descriptors, image)
        files = FileDescriptorSet.FromString(image.read_bytes()).file
    return [file for file in files if file.package == "lightrouter.v1"]


def api(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    """Yields the services with their RPCs, then the messages and enums of each file."""
    files = sorted(files, key=lambda file: (not file.service, file.name))
    for file in files:
        said = _comments(file)
        yield f"## {Path(file.name).name}\n\n{said.get((12,), '')}".strip()
        for place, service in enumerate(file.service):
            at = (_SERVICES_OF_FILE, place)
            rows = [
                [f"`{rpc.name}`", f"`{_short(rpc.input_type)}`", _output(rpc), said[*at, _MEMBERS, index]]
                for index, rpc in enumerate(service.method)
            ]
            yield f"### {service.name}\n\n{said[at]}\n\n" + _table(["RPC", "request", "response", "what it does"], rows)
        for place, message in enumerate(file.message_type):
            yield from _message(message, (_MESSAGES, place), said, "")
        for place, enum in enumerate(file.enum_type):
            yield _enum(enum, (_ENUMS, place), said, "")


def _comments(file: FileDescriptorProto) -> Comments:
    return {
        tuple(place.path): " ".join((place.leading_comments or " ".join(place.leading_detached_comments)).split())
        for place in file.source_code_info.location
    }


def _output(rpc: Any) -> str:
    return ("stream of " if rpc.server_streaming else "") + f"`{_short(rpc.output_type)}`"


def _message(message: DescriptorProto, at: tuple[int, ...], said: Comments, outer: str) -> Iterator[str]:
    if message.options.map_entry:
        return
    name = outer + message.name
    rows = [
        [f"`{field.name}`", f"`{_type(field)}`", said[*at, _MEMBERS, index]]
        for index, field in enumerate(message.field)
    ]
    yield f"### {name}\n\n{said[at]}\n\n{_table(['field', 'type', 'what it is'], rows) if rows else ''}".strip()
    for place, nested in enumerate(message.nested_type):
        yield from _message(nested, (*at, _NESTED, place), said, f"{name}.")
    for place, enum in enumerate(message.enum_type):
        yield _enum(enum, (*at, _NESTED_ENUMS, place), said, f"{name}.")


def _type(field: FieldDescriptorProto) -> str:
    named = _short(field.type_name) or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    return f"repeated {named}" if field.label == FieldDescriptorProto.LABEL_REPEATED else named


def _short(name: str) -> str:
    return name.removeprefix(".").removeprefix("lightrouter.v1.")


def _enum(enum: EnumDescriptorProto, at: tuple[int, ...], said: Comments, outer: str) -> str:
    rows = ([f"`{value.name}`", said[*at, _MEMBERS, index]] for index, value in enumerate(enum.value))
    return f"### {outer}{enum.name}\n\n{said[at]}\n\n" + _table(["value", "what it means"], rows)


def errors(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    """Yields the reasons of failures, as an ErrorInfo has them."""
    (file,) = (file for file in files if file.name.endswith("error_reason.proto"))
    said = _comments(file)
    ((place, enum),) = enumerate(file.enum_type)
    yield said[_ENUMS, place]
    rows = (
        [f"`{value.name.removeprefix('ERROR_REASON_')}`", said[_ENUMS, place, _MEMBERS, index]]
        for index, value in enumerate(enum.value)
        if value.number
    )
    yield _table(["reason", "what happened"], rows)


def main() -> None:
    """Writes the pages, or with --check says whether they are what they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the pages are up to date")
    check = parser.parse_args().check
    for path, text in outputs().items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(ROOT)} is out of date: run make reference")


if __name__ == "__main__":
    main()
