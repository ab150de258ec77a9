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
    """Returns the numeric constants without a reason: a comment above or beside, or a docstring below.

    A reason is also that of the constants which follow on the next lines.
    """
    lines = source.splitlines()
    found: list[str] = []
    explained_until = -1
    body = ast.parse(source).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        name = numeric(node)
        if name is None:
            continue
        end = node.end_lineno or node.lineno
        reasons = (
            node.lineno == explained_until + 1,
            node.lineno > 1 and lines[node.lineno - 2].startswith("#"),
            "  # " in "\n".join(lines[node.lineno - 1 : end]),
            isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant),
        )
        if any(reasons):
            explained_until = end
        elif name not in UNITS:
            found.append(name)
    return found


def numeric(node: ast.stmt) -> str | None:
    """Returns the name of a constant that holds numbers; None for other statements."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return None
    name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    values = [each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant)]
    numbers = any(type(value) in {int, float} for value in values) and not any(isinstance(v, str) for v in values)
    return name if numbers and re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else None


@pytest.mark.parametrize(
    "source",
    [
        "_MOST = 3\n",
        "A = 1\n_B: Final = (1, 2.5)\n",
        "# Why.\n\n_LONG = 3 * 2\n",
        "# Why.\nA = 1\nB = 'text'\nC = 2\n",
        "# Why.\nA = 'text'\nB = 2\n",
    ],
)
def test_a_number_without_a_reason_is_found(source: str) -> None:
    assert unexplained(source)


def test_each_numeric_constant_has_a_comment_or_a_docstring() -> None:
    files = [path for path in SOURCES.rglob("*.py") if not OTHERS & set(path.relative_to(SOURCES).parts)]
    found = {str(path.relative_to(SOURCES)): unexplained(path.read_text()) for path in files}
    assert files
    assert not {path: names for path, names in found.items() if names}
