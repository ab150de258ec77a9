"""YAML into plain values that remember their lines, within bounds that no document can break."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

import yaml

Path = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the root on."""

_MAX_VALUES: Final = 100_000
_MAX_DEPTH: Final = 32
_TAG: Final = "tag:yaml.org,2002:"


class DocumentError(Exception):
    """A document that is no YAML, or more than plain values.

    Attributes:
        line: The line at fault, from 1.
        path: Where the value at fault stands; empty where it is the document.
        message: One sentence, without the document's text.
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
        """Returns the line of the value at `path`, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(data: bytes) -> Document:
    """Parses one YAML document in UTF-8.

    Raises:
        DocumentError: It is not UTF-8, no YAML, several documents, has a key twice, or grows out of bounds.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(data.count(b"\n", 0, error.start) + 1, "the file is not UTF-8") from None
    try:
        # The pure Python loader: libyaml's recurses on the C stack, which a deeply nested document overflows.
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            return _Builder(loader).build(root)
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(line, "a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "no YAML"
        raise DocumentError(mark.line + 1 if mark else 1, f"not valid YAML: {problem}") from None
    except RecursionError:
        raise DocumentError(1, "the file is nested too deeply") from None


@dataclass(slots=True)
class _Builder:
    """Builds values from YAML nodes by hand: aliases count as often as they are used, and no key is lost to another."""

    loader: yaml.SafeLoader
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
        """Returns the values by key; merged ones (`<<`) come after the mapping's own, which win."""
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
        if kind == "float":
            try:
                return Decimal(node.value)
            except InvalidOperation:
                pass
        try:
            return self.loader.construct_object(node)
        except (ValueError, KeyError, IndexError, ArithmeticError):
            raise DocumentError(_line(node), f"is no valid {kind}", path) from None


def _key(node: yaml.Node, path: Path) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}str":
        raise DocumentError(_line(node), "a key here is not text; put it in quotes", path)
    return str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
