"""Every name of a span, an event and an attribute is explained, and stands for one thing."""

from __future__ import annotations

import ast
from pathlib import Path

from lightrouter.runtime.telemetry import names


def explained() -> dict[str, str]:
    """Returns the sentence below each name of the module."""
    body = ast.parse(Path(names.__file__).read_text()).body
    found = {}
    for statement, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            found[statement.target.id] = str(below.value.value) if is_text else ""  # type: ignore[attr-defined]  # as is_text says
    return found


def test_every_name_has_a_sentence() -> None:
    sentences = explained()
    assert set(sentences) == {name for name in vars(names) if name.isupper()}
    assert [name for name, sentence in sentences.items() if not sentence.endswith(".")] == []


def test_names_are_unique() -> None:
    values = [value for name, value in vars(names).items() if name.isupper()]
    assert len(values) == len(set(values))
