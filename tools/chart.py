"""Writes what is made of the chart's values and of the services' models.

values.schema.json, the comments about settings in values.yaml, defaults.json, the tables of README.md, the CRD, and
copies of the rules and the dashboard in deploy/, since a chart renders only files of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools import candidates, chart_settings
from tools.chart_values import CommentError, Value, read, undocumented
from tools.values_schema import layout, schema

CHART: Final = Path(__file__).resolve().parent.parent / "helm" / "lightrouter"
DEPLOY: Final = CHART.parent.parent / "deploy"
COPIED: Final = (DEPLOY / "prometheus" / "rules.yaml", DEPLOY / "grafana" / "dashboards" / "lightrouter.json")
"""What the chart renders of deploy/."""
_BEGIN: Final = "<!-- values: made by `make chart` -->"
_END: Final = "<!-- end of values -->"
_SETTINGS: Final = re.compile(
    r"^(?P<begin>(?P<indent> *)# made by `make chart`: settings of (?P<group>\w+)\n).*?^(?P<end> *# end of settings\n)",
    re.MULTILINE | re.DOTALL,
)


def table(root: Value) -> str:
    """Returns the README's tables: one a top-level mapping, the single values first."""
    alone = [value for value in root.children.values() if not _divisible(value)]
    parts = [_rows(alone)]
    parts += [
        f"### {value.path}\n\n{value.text}\n\n{_rows(list(_leaves(value)))}"
        for value in root.children.values()
        if _divisible(value)
    ]
    return "\n\n".join(parts)


def _divisible(value: Value) -> bool:
    return bool(value.children or value.item)


def _leaves(value: Value) -> Iterator[Value]:
    for child in (value.item or value).children.values():
        documented = any(inner.text for inner in child.children.values()) or child.item
        if documented:
            yield child
            yield from _leaves(child)
        elif child.text:
            yield child


def _rows(values: list[Value]) -> str:
    if not values:
        return "Nothing of its own: the keys of `workload`."
    rows = ["| value | default | what it is |", "| --- | --- | --- |"]
    for value in values:
        nested = any(inner.text for inner in value.children.values())
        default = "" if nested else _code(json.dumps(value.default, ensure_ascii=False))
        if value.modelled:
            default = "" if nested or value.default is None else _code(json.dumps(value.default, ensure_ascii=False))
        elif "[]" in value.path or ".NAME." in value.path:
            default = "" if nested else f"for example {default}"
        rows.append(f"| `{value.path}` | {default} | {_words(value.text)} |")
    return "\n".join(rows)


def _words(text: str) -> str:
    return _cell(text).replace("<", "\\<")


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _settings(root: Value, text: str) -> str:
    """Returns the text of values.yaml with the comments about the settings that it leaves to the services."""
    groups = {value.hints["settings"]: value for value in _all(root) if "settings" in value.hints}

    def block(found: re.Match[str]) -> str:
        given = {key for key, value in groups[found["group"]].children.items() if not value.modelled}
        made = chart_settings.comments(found["group"], found["indent"], given)
        return found["begin"] + made + found["end"]

    return _SETTINGS.sub(block, text)


def _all(value: Value) -> Iterator[Value]:
    yield value
    for child in value.children.values():
        yield from _all(child)


def defaults(value: Value) -> Iterator[tuple[str, object]]:
    """Yields the path and the default of every value that values.yaml gives, with mappings of others' types whole."""
    given = [child for child in value.children.values() if not child.modelled]
    if given:
        for child in given:
            yield from defaults(child)
    elif value.default is not None:
        yield value.path, value.default


def outputs(chart: Path = CHART) -> dict[Path, str]:
    """Returns what the files should hold, by file.

    Raises:
        CommentError: A value has no comment, or an unreadable one.
    """
    values, readme = chart / "values.yaml", chart / "README.md"
    definition = chart / "crds" / "candidates.lightrouter.dev.yaml"
    text = values.read_text(encoding="utf-8")
    root = read(text)
    if missing := list(undocumented(root)):
        raise CommentError(f"{missing[0]}: has no comment that says what it is")
    before, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return {
        values: _settings(root, text),
        chart / "values.schema.json": layout(schema(root)) + "\n",
        chart / "defaults.json": layout(dict(defaults(root))) + "\n",
        readme: f"{before}{_BEGIN}\n\n{table(root)}\n\n{_END}{after}",
        **{chart / "files" / file.name: file.read_text(encoding="utf-8") for file in COPIED},
        definition: candidates.definition(definition.read_text(encoding="utf-8")),
    }


def main() -> None:
    """Writes the files, or with --check says whether they are what they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    check = parser.parse_args().check
    try:
        found = outputs()
    except CommentError as error:
        sys.exit(f"values.yaml: {error}")
    for path, text in found.items():
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(CHART.parent.parent)} is out of date: run make chart")


if __name__ == "__main__":
    main()
