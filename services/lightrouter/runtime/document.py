"""Parses YAML into plain values with their lines, within fixed limits.

Plain values follow YAML 1.2's core schema: only `true` and `false` are booleans, `1:30` is text, `010` is ten. libyaml
parses the text into events; this module builds the values, because libyaml's own loader recurses on the C stack.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]
"""The place of a value: keys and list indices from the root."""

# Choices: a pool of 1,000 candidates has some 30,000 values, six deep; the parser recurses, so nesting has a bound.
# A float of 64 bits has at most 309 digits before its point.
_MAX_VALUES: Final = 100_000
_MAX_DEPTH: Final = 32
_MAX_NESTED: Final = 64
_LONGEST_NUMBER: Final = 400
_TAG: Final = "tag:yaml.org,2002:"
# Plain scalars by the core schema of YAML 1.2; only `<<` is from 1.1.
_PLAIN: Final = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
    "merge": re.compile("<<"),
}
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(yaml.SafeDumper):
    """Quotes every text: PyYAML omits quotes by the rules of YAML 1.1, and `1e5` is a number in 1.2."""

    def represent_text(self, value: str) -> yaml.ScalarNode:
        """Returns the node of a text."""
        return self.represent_scalar(f"{_TAG}str", value, style='"')

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        """Returns the node of a mapping; a key of some letters is a text in every version of YAML."""
        node: yaml.MappingNode = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            if re.fullmatch("[a-z][A-Za-z_]{3,}", key.value) and key.value not in {"true", "false", "null"}:
                key.style = None
        return node


_Dumper.add_representer(str, _Dumper.represent_text)


class DocumentError(Exception):
    """A document that is not valid YAML or has more than plain values.

    Attributes:
        line: The line of the error, from 1.
        path: The path of the wrong value; empty for the whole document.
        message: One sentence, without text of the document.
    """

    def __init__(self, line: int, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.line = line
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document.

    Attributes:
        value: None, bool, int, Decimal, float (infinities and not-a-number only), str, list and dict with str keys.
        lines: The line of each value by its path, from 1.
    """

    value: object
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Returns the line of the value at `path`, or of the innermost known value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(data: bytes) -> Document:
    """Parses one YAML document in UTF-8.

    Raises:
        DocumentError: It is not UTF-8 or not YAML, holds several documents or a repeated key, or exceeds a limit.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8") from None
    try:
        return _Builder().build(_Composer(yaml.parse(text, Loader=_LOADER)).root())
    except yaml.reader.ReaderError as error:
        line = data.count(b"\n", 0, error.position) + 1
        raise DocumentError(line, "a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "no YAML"
        # A mark at the very end is after the last line.
        line = min(mark.line, text.rstrip("\n").count("\n")) + 1 if mark else 1
        raise DocumentError(line, f"not valid YAML: {problem}") from None


def dump(value: object) -> str:
    """Returns a document that `parse` reads as this value; keys keep their order."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9))


class _Composer:
    """Builds nodes from the parser's events, to a limited depth."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, yaml.Node] = {}
        self._nodes = 0

    def root(self) -> yaml.Node | None:
        """Returns the node of the only document; None for an empty input."""
        found: yaml.Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found is not None:
                    mark: Any = event.start_mark
                    raise DocumentError(
                        mark.line + 1, "not valid YAML: expected a single document, but found another document"
                    )
                found = self._node(next(self._events), 0)
        return found

    def _node(self, event: Any, depth: int) -> yaml.Node:
        mark: Any = event.start_mark
        if depth > _MAX_NESTED:
            raise DocumentError(mark.line + 1, "the file is nested too deeply")
        self._nodes += 1
        if self._nodes > _MAX_VALUES:
            raise DocumentError(mark.line + 1, f"more than {_MAX_VALUES:,} values")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise DocumentError(mark.line + 1, "an alias here has no anchor before it")
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            return self._anchored(event, yaml.ScalarNode(_tag(event), event.value, mark))
        children: list[yaml.Node] = []
        if isinstance(event, yaml.SequenceStartEvent):
            listed = self._anchored(event, yaml.SequenceNode(_collection(event, "seq"), children, mark))
            children += self._children(depth)
            return listed
        mapped = self._anchored(event, yaml.MappingNode(_collection(event, "map"), [], mark))
        children += self._children(depth)
        mapped.value.extend(zip(children[::2], children[1::2], strict=True))
        return mapped

    def _children(self, depth: int) -> Iterator[yaml.Node]:
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                return
            yield self._node(event, depth + 1)

    def _anchored(self, event: Any, node: yaml.Node) -> yaml.Node:
        if event.anchor is not None:
            if event.anchor in self._anchors:
                raise DocumentError(event.start_mark.line + 1, "an anchor here has the name of another")
            self._anchors[event.anchor] = node
        return node


def _tag(event: Any) -> str:
    if event.tag not in {None, "!"}:
        return str(event.tag)
    kinds = (kind for kind, pattern in _PLAIN.items() if event.implicit[0] and pattern.fullmatch(event.value))
    return _TAG + next(kinds, "str")


def _collection(event: Any, kind: str) -> str:
    return _TAG + kind if event.tag in {None, "!"} else str(event.tag)


@dataclass(slots=True)
class _Builder:
    """Builds values from YAML nodes: each use of an alias counts, and a repeated key is an error."""

    lines: dict[Path, int] = field(default_factory=dict)
    values: int = 0

    def build(self, root: yaml.Node | None) -> Document:
        if root is None:
            return Document(None, self.lines)
        self.lines[()] = _line(root)
        return Document(self._value(root, ()), self.lines)

    def _value(self, node: yaml.Node, path: Path) -> object:
        self._count(node, path)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {key: self._value(item, (*path, key)) for key, item in self._items(node, path).items()}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self._item(item, (*path, position)) for position, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise DocumentError(_line(node), f"the tag {node.tag} is not allowed", path)

    def _item(self, node: yaml.Node, path: Path) -> object:
        self.lines[path] = _line(node)
        return self._value(node, path)

    def _count(self, node: yaml.Node, path: Path) -> None:
        self.values += 1
        if self.values > _MAX_VALUES:
            raise DocumentError(_line(node), f"more than {_MAX_VALUES:,} values, those behind aliases counted", path)
        if len(path) > _MAX_DEPTH:
            raise DocumentError(_line(node), f"nested more than {_MAX_DEPTH} deep, or an alias that holds itself", path)

    def _items(self, node: yaml.MappingNode, path: Path, depth: int = 0) -> dict[str, yaml.Node]:
        """Returns the values by key; the mapping's own keys come before merged ones (`<<`) and win."""
        if depth > _MAX_DEPTH:
            raise DocumentError(_line(node), "merges itself", path)
        own: dict[str, yaml.Node] = {}
        merged: list[yaml.MappingNode] = []
        for key, item in node.value:
            self._count(key, path)
            if key.tag == f"{_TAG}merge":
                merged += self._merged(item, path)
                continue
            name = _key(key, path)
            if name in own:
                raise DocumentError(_line(key), "stands here twice", (*path, name))
            own[name] = item
            self.lines[(*path, name)] = _line(key)
        for other in merged:
            for name, item in self._items(other, path, depth + 1).items():
                own.setdefault(name, item)
        return own

    def _merged(self, node: yaml.Node, path: Path) -> list[yaml.MappingNode]:
        found: list[yaml.MappingNode] = []
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            self._count(item, path)
            if not isinstance(item, yaml.MappingNode):
                raise DocumentError(_line(item), "only mappings can be merged with <<", path)
            found.append(item)
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        kind = node.tag.removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return node.value
        if kind not in {"null", "bool", "int", "float"}:
            raise DocumentError(_line(node), f"the tag {node.tag} is not allowed", path)
        # An integer with an explicit float tag.
        patterns = [_PLAIN[each] for each in ((kind, "int") if kind == "float" else (kind,))]
        if len(node.value) > _LONGEST_NUMBER or not any(pattern.fullmatch(node.value) for pattern in patterns):
            raise DocumentError(_line(node), f"is no valid {kind}", path)
        try:
            return _plain(kind, node.value.lower())
        except ArithmeticError:
            raise DocumentError(_line(node), f"is no valid {kind}", path) from None


def _plain(kind: str, text: str) -> object:
    if kind == "null":
        return None
    if kind == "bool":
        return text == "true"
    if kind == "int":
        return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))
    if text.endswith(("inf", "nan")):
        return -math.inf if text.startswith("-") else math.nan if text.endswith("nan") else math.inf
    return Decimal(int(text, 0)) if text.startswith(("0x", "0o")) else Decimal(text)


def _key(node: yaml.Node, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}str":
        raise DocumentError(_line(node), "a key here is not text; put it in quotes", path)
    return str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
