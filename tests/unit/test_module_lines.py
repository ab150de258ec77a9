"""A module over 400 lines fails the check, generated code excepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.module_lines import too_long


@pytest.mark.parametrize(
    ("name", "lines", "refused"), [("a", 400, 0), ("a", 401, 1), ("a_pb2", 401, 0), ("a_pb2_grpc", 401, 0)]
)
def test_a_module_over_400_lines_is_refused(tmp_path: Path, name: str, lines: int, refused: int) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / f"{name}.py").write_text("x = 1\n" * lines)
    assert len(too_long([tmp_path])) == refused
