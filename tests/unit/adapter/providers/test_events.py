"""The end of a stream: how long its token counts are waited for."""

from __future__ import annotations

import pytest

from lightrouter.adapter.providers.events import UsageWait, has_lines


def test_counts_that_do_not_come_are_waited_for_less_and_less_until_they_come() -> None:
    wait = UsageWait()
    whole = wait.seconds
    waits = []
    for _ in range(10):
        waits.append(wait.seconds)
        wait.missed()
    assert waits == sorted(waits, reverse=True)
    assert waits[1] == whole / 2
    assert 0 < wait.seconds < whole / 10
    wait.came()
    assert wait.seconds == whole


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": 1}\n{"b": 2}', True),
        ('{"a": 1}\ndata: x\n\n', True),
        ('{"a": 1}', False),
        ('{"a": 1}\n\n', False),
        ('{\n"a": 1\n}', False),
        ('[1]\n{"b": 2}', False),
        ("<html>\n</html>", False),
        ("", False),
    ],
)
def test_a_body_of_an_object_a_line(text: str, lines: bool) -> None:
    assert has_lines(text) == lines
