"""The commands, programs and links that the documents show, as their readers copy and follow them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
DOCUMENTS = tuple(
    sorted([*ROOT.glob("*.md"), *(path for name in ("docs", "deploy", "helm") for path in (ROOT / name).rglob("*.md"))])
)
PROGRAMS = frozenset(
    {
        "buf", "docker", "go", "grpcurl", "helm", "kubectl", "lightrouter", "make", "mkdir", "mvn", "npm", "pip",
        "pre-commit", "protoc", "python", "source",
    }
)  # fmt: skip


# What a sentence calls a command of lightrouter by its name alone.
_SHORT = re.compile(r"(?:pool|lab) [a-z-]+|(?:ask|quote|record|serve|up) -")


class Command(NamedTuple):
    """A command of a document.

    Attributes:
        document: The document's path in the repository.
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
    return _fenced(document.read_text(encoding="utf-8"), language)


def prose(document: Path) -> str:
    """Returns a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def lines(document: Path) -> list[str]:
    """Returns the lines of a document's shell blocks, each command on one line."""
    return [line for block in blocks(document, "sh") for line in _joined(block)]


def section(document: Path, heading: str) -> list[str]:
    """Returns the lines of the shell blocks below a heading of a document, each command on one line."""
    _, found, rest = document.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert found, f"{document} has no section {heading}"
    return [line for block in _fenced(rest.partition("\n## ")[0], "sh") for line in _joined(block)]


def commands(document: Path) -> Iterator[Command]:
    """Yields every command of a document: those of its shell blocks, then those that its sentences name."""
    name = str(document.relative_to(ROOT))
    # What a terminal shows has a prompt before what was typed.
    shown = [line[2:] for block in blocks(document, "") for line in _joined(block) if line.startswith("$ ")]
    for line in [*lines(document), *shown]:
        words = shlex.split(line, comments=True)
        # Files may stand in a block beside the commands that they are given to.
        if words and words[0] in PROGRAMS:
            yield Command(name, shlex.join(words), whole=True)
    for span in re.findall(r"`([^`]+)`", prose(document)):
        command = " ".join(span.split())
        if _SHORT.match(command):
            command = f"lightrouter {command}"
        if command.partition(" ")[0] in PROGRAMS and " " in command:
            yield Command(name, command, whole=False)


def links(document: Path) -> list[str]:
    """Returns the targets of a document's links and pictures that are not of other sites."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(document: Path) -> set[str]:
    """Returns the anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _joined(block: str) -> list[str]:
    # A text that is given to a command in the block is no command.
    commands = re.sub(r"(<<'(\w+)')\n.*?^\2$", r"\1", block, flags=re.MULTILINE | re.DOTALL)
    return [line for line in commands.replace("\\\n", " ").splitlines() if not line.startswith("#")]
