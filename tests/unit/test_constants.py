"""Each number of the code has its reason beside it."""

import ast
import re
from pathlib import Path

import pytest

import lightrouter

SOURCES = Path(lightrouter.__path__[0])
# Generated, or from elsewhere.
OTHERS = frozenset({"v1", "vendor"})
# Units need no reason.
UNITS = frozenset({"_MILLION", "_NANO", "_NANOUSD"})


def unexplained(source: str) -> list[str]:
    """Returns the numeric constants with neither a comment nor a docstring in their block of lines."""
    lines = source.splitlines()
    found = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        values = [each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
        numeric = any(type(value) in {int, float} for value in values) and not any(isinstance(v, str) for v in values)
        if not numeric or name in UNITS or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
            continue
        begin = node.lineno - 1
        while begin and lines[begin - 1].strip():
            begin -= 1
        block = "\n".join(lines[begin : (node.end_lineno or node.lineno) + 1])
        if not re.search(r'^"""|^#|  # ', block, re.MULTILINE):
            found.append(name)
    return found


@pytest.mark.parametrize("source", ["_MOST = 3\n", "A = 1\n_B: Final = (1, 2.5)\n", "# Why.\n\n_LONG = 3 * 2\n"])
def test_a_number_without_a_reason_is_found(source: str) -> None:
    assert unexplained(source)


def test_each_numeric_constant_has_a_comment_or_a_docstring() -> None:
    files = [path for path in SOURCES.rglob("*.py") if not OTHERS & set(path.relative_to(SOURCES).parts)]
    found = {str(path.relative_to(SOURCES)): unexplained(path.read_text()) for path in files}
    assert files
    assert not {path: names for path, names in found.items() if names}
