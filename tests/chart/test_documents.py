"""The commands for Helm and kubectl that the documents print: their flags are known, and their values render."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from lightrouter.pool.resource import parse
from tests.chart.rendered import CHART, Manifests, template
from tests.readme import DOCUMENTS, ROOT, Command, blocks, commands
from tools.chart_helm import helm, kubectl

PROGRAMS = {"helm": lambda: helm(4), "kubectl": kubectl}
EVERY = [each for document in DOCUMENTS for each in commands(document) if each.words[0] in PROGRAMS]
# The reader's own values.
OWN = (CHART / "examples" / "minimal" / "values.yaml").read_text(encoding="utf-8")
VALUES = re.compile(r"(?:--set|-f|--values)[ =](\S+)")


@cache
def known(program: str, *words: str) -> str:
    """Returns what a program prints."""
    command = [str(PROGRAMS[program]()), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("command", EVERY, ids=str)
def test_each_flag_is_known(command: Command) -> None:
    program, *words = command.words
    # Help may stand behind the arguments.
    told = known(program, *takewhile(lambda word: not word.startswith("-"), words), "--help")
    told += known(program, "options") if program == "kubectl" else ""
    flags = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    assert [flag for flag in flags if not re.search(rf"(^|[\s,]){flag}[\s,=]", told)] == []


@pytest.mark.parametrize(
    "command", [each for each in EVERY if each.words[0] == "helm" and VALUES.search(each.text)], ids=str
)
def test_the_values_render(command: Command) -> None:
    options = [word for each in VALUES.findall(command.text) if "=" in each for word in ("--set", each)]
    named = [each for each in VALUES.findall(command.text) if "=" not in each and (ROOT / each).exists()]
    found: Manifests = template(
        CHART, OWN, *(word for each in named for word in ("--values", str(ROOT / each))), *options
    )
    assert found.all("Deployment")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_resource_that_is_printed_is_a_candidate(document: Path) -> None:
    printed = re.findall(r"<<'END'\n(.*?)^END$", "\n".join(blocks(document, "sh")), re.MULTILINE | re.DOTALL)
    for text in printed:
        assert parse(yaml.safe_load(text))
