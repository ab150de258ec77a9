"""The commands and programs that the documents show, as their readers copy them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = tuple(
    path
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *(ROOT / "helm").rglob("*.md")])
    if ".venv" not in path.parts
)
PROGRAMS = frozenset(
    ["buf", "docker", "grpcurl", "helm", "kubectl", "lightrouter", "make", "pip", "pre-commit", "python", "source"]
)


class Command(NamedTuple):
    """A command of a document.

    Attributes:
        document: The document's name.
        text: The command as it is printed, without its comment.
        whole: Whether it is printed to be copied, rather than named in a sentence.
    """

    document: str
    text: str
    whole: bool

    @property
    def words(self) -> list[str]:
        """The command and its arguments."""
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def blocks(document: Path, language: str) -> list[str]:
    """Returns the fenced blocks of a document in this language, in their order; "" for those without one."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(document: Path) -> Iterator[Command]:
    """Yields every command of a document: those of its shell blocks, then those that its sentences name."""
    text = document.read_text(encoding="utf-8")
    lines = [line for block in blocks(document, "sh") for line in _joined(block)]
    # What a terminal shows has a prompt before what was typed.
    lines += [line[2:] for block in blocks(document, "") for line in _joined(block) if line.startswith("$ ")]
    for line in lines:
        words = shlex.split(line, comments=True)
        # Files may stand in a block beside the commands that they are given to.
        if words and words[0] in PROGRAMS:
            yield Command(document.name, shlex.join(words), whole=True)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`([^`]+)`", prose):
        command = " ".join(span.split())
        if command.partition(" ")[0] in PROGRAMS and " " in command:
            yield Command(document.name, command, whole=False)


def _joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()
