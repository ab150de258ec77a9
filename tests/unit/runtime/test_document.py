"""What is written as YAML is read back as it was."""

from __future__ import annotations

import pytest
import yaml

from lightrouter.runtime.document import dump, parse


@pytest.mark.parametrize(
    "text",
    [
        "1e5",
        "0o17",
        "010",
        "1:30",
        "on",
        "null",
        "~",
        "",
        " a ",
        "a: b # c",
        "x\ny",
        "\x1b[31m",
        "\u00e9\x85\u2028",
        "-",
    ],
)
def test_a_text_stays_one(text: str) -> None:
    value = {"key": text, text or "key2": [text, True, 7, None]}
    assert parse(dump(value).encode()).value == value


def test_keys_are_plain_where_every_version_of_yaml_reads_a_text() -> None:
    value = {"state": "on", "true": 1, "yes": {"no": "1e5", "null": ["y"]}, "outputTokens": 2}
    text = dump(value)
    assert text.startswith('state: "on"\n"true": 1\n"yes":\n')
    assert "\noutputTokens: 2\n" in text
    assert yaml.safe_load(text) == value
