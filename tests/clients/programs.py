"""The examples, built in a copy of the checkout by the commands of docs/clients.md."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.clients import toolchain
from tests.readme import DOCS, section

CHECKOUT = toolchain.BUILD / "checkout"
EXAMPLES = CHECKOUT / "examples"
PROGRAMS = CHECKOUT / "bin"
ENVIRONMENT: Mapping[str, str] = {
    "PATH": os.pathsep.join([str(PROGRAMS), str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PYTHONPATH": str(toolchain.ROOT / "services"),
    "GOBIN": str(PROGRAMS),
    # The virtual machine of a short run pays for no optimization.
    "MAVEN_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "NPM_CONFIG_AUDIT": "false",
    "NPM_CONFIG_FUND": "false",
    "NPM_CONFIG_IGNORE_SCRIPTS": "true",
    "NPM_CONFIG_PREFER_OFFLINE": "true",
}


@dataclass(frozen=True)
class Program:
    """An example that is built.

    Attributes:
        printed: The command of the documents that runs it.
        command: The command that runs what was built, without the time of a build tool.
    """

    printed: str
    command: list[str]


def python() -> Program:
    """Returns the Python example."""
    (printed,) = _prepared("Python")
    return Program(printed, shlex.split(printed))


def go() -> Program:
    """Builds the Go example."""
    toolchain.require("go", (1, 26), "version")
    shutil.rmtree(EXAMPLES / "go" / "gen", ignore_errors=True)
    *steps, printed = _prepared("Go")
    _run(*steps, "go -C examples/go vet ./...", f"go -C examples/go build -o {PROGRAMS}/ask .")
    assert _run("gofmt -l examples/go/*.go") == ""
    return Program(printed, [str(PROGRAMS / "ask")])


def typescript() -> Program:
    """Builds the TypeScript example; installs what it needs unless that is there already."""
    toolchain.require("node", (20, 0), "--version")
    toolchain.require("npm", (10, 0), "--version")
    folder = EXAMPLES / "typescript"
    shutil.rmtree(folder / "gen", ignore_errors=True)
    image, install, generate, printed = _prepared("TypeScript")
    wanted = toolchain.digest(folder / "package.json", folder / "package-lock.json")
    installed = folder / "node_modules" / ".installed"
    if not (installed.is_file() and installed.read_text() == wanted):
        _run(install)
        installed.write_text(wanted)
    _run(image, generate, "cd examples/typescript && node_modules/.bin/tsc")
    return Program(printed, ["node", "examples/typescript/dist/src/ask.js"])


@cache
def java() -> Program:
    """Builds the Java example."""
    toolchain.require("mvn", (3, 6), "--version")
    (printed,) = _prepared("Java")
    # Relative to the project.
    found = "exec:exec -Dexec.executable=echo -Dexec.args=%classpath -Dexec.outputFile=target/classpath"
    _run(f"mvn --quiet --batch-mode -f examples/java compile {found}")
    classpath = (EXAMPLES / "java" / "target" / "classpath").read_text().strip()
    return Program(printed, ["java", *ENVIRONMENT["MAVEN_OPTS"].split(), "-cp", classpath, "example.Ask"])


def csharp() -> set[str]:
    """Runs the protoc that the Java example fetched, and returns the names of the C# files that it wrote."""
    java()
    (protoc,) = (EXAMPLES / "java" / "target" / "protoc-plugins").glob("protoc-[0-9]*.exe")
    PROGRAMS.mkdir(exist_ok=True)
    shutil.copy(protoc, PROGRAMS / "protoc")
    shutil.rmtree(CHECKOUT / "gen", ignore_errors=True)
    _run(*_prepared("C#, and any other language"))
    return {path.name for path in (CHECKOUT / "gen").iterdir()}


MAKERS: Mapping[str, Callable[[], Program]] = {"python": python, "go": go, "typescript": typescript, "java": java}


def _prepared(heading: str) -> list[str]:
    """Copies the examples as they are now, and returns the commands of a language's section."""
    CHECKOUT.mkdir(parents=True, exist_ok=True)
    shutil.copytree(toolchain.ROOT / "examples", EXAMPLES, dirs_exist_ok=True)
    for name in ("buf.gen.yaml", "protos", "tools"):
        if not (CHECKOUT / name).exists():
            (CHECKOUT / name).symlink_to(toolchain.ROOT / name)
    return section(DOCS / "clients.md", heading)


def _run(*commands: str) -> str:
    """Returns what the commands printed, one after the other."""
    script = "\n".join(["set -euo pipefail", *commands])
    return toolchain.run(["bash", "-c", script], cwd=CHECKOUT, environment=ENVIRONMENT)
