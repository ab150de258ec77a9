"""Labels never reach a service: nothing that serves a request even names what holds them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lightrouter.recording

PACKAGE = Path(lightrouter.recording.__file__).parents[1]
LABELS = {"load_labelled", "LabelledRecording", "Labels"}
# What may hold labels: the modules that define, read and write them, and the lab with its commands. No service imports
# the recorder or the lab (see .importlinter).
FREE = ("recording/load.py", "recording/recording.py", "recording/recorder.py", "lab/", "cli/lab_")


def named(source: str) -> set[str]:
    """Returns the names that a module imports or reaches through another one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


def serving() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE).as_posix()
        if not place.startswith((*FREE, "v1/")):
            yield place


def test_modules_of_services_never_name_the_labels() -> None:
    modules = list(serving())
    assert "adapter/providers/replay.py" in modules
    assert {place: names for place in modules if (names := named((PACKAGE / place).read_text()) & LABELS)} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from lightrouter.recording.load import load_labelled",
        "from lightrouter.recording import load\nload.load_labelled",
    ],
)
def test_a_module_that_names_them_is_found(source: str) -> None:
    assert named(source) & LABELS
