"""grpcurl, which knows the protos from the server's reflection alone, calls the suite."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from google.protobuf import json_format

from lightrouter.v1.router_pb2 import CompleteResponse
from tests.clients import toolchain
from tests.clients.conftest import SYNTHESIZER
from tests.load import upstream
from tests.readme import DOCS, blocks

MODULE = Path(__file__).parent / "grpcurl"
OUT = toolchain.BUILD / "grpcurl"
SERVICE = "lightrouter.v1.RouterService"
# grpcurl exits with this much more than the status code of the call.
EXIT_BASE = 64
INVALID_ARGUMENT = 3

# The first run compiles grpcurl, within the time of the first test.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def grpcurl() -> Path:
    """Builds the grpcurl that the module pins and returns its program."""
    toolchain.require("go", (1, 26), "version")
    toolchain.run(["go", "install", "tool"], cwd=MODULE, environment={"GOBIN": str(OUT)})
    return OUT / "grpcurl"


def request(**policy: int) -> str:
    """Returns a request of Complete with this policy as JSON."""
    messages = [{"role": "ROLE_USER", "content": "Which river flows through Heidelberg?"}]
    return json.dumps({"prompt": {"messages": messages, "policy": policy}})


def test_lists_the_methods_of_the_router(grpcurl: Path, address: str) -> None:
    methods = toolchain.run([grpcurl, "-plaintext", address, "list", SERVICE]).split()
    assert methods == [f"{SERVICE}.{method}" for method in ("Complete", "ListCandidates", "Quote", "StreamComplete")]


def test_calls_complete(grpcurl: Path, address: str) -> None:
    printed = toolchain.run([grpcurl, "-plaintext", "-d", request(), address, f"{SERVICE}/Complete"])
    answer = json_format.Parse(printed, CompleteResponse()).answer
    assert answer.text.strip() == upstream.whole_text(SYNTHESIZER).strip()
    assert answer.ledger.cost_nanousd == sum(entry.cost_nanousd for entry in answer.ledger.entries) > 0
    assert answer.ledger.elapsed.ToNanoseconds() > 0
    assert answer.candidates


def test_the_call_of_the_documents_works_as_printed(grpcurl: Path, address: str) -> None:
    (call,) = (block for block in blocks(DOCS / "clients.md", "sh") if block.startswith("grpcurl"))
    script = call.replace("127.0.0.1:50051", address)
    path = f"{grpcurl.parent}{os.pathsep}{os.environ['PATH']}"
    printed = toolchain.run(["bash", "-c", script], environment={"PATH": path})
    assert json_format.Parse(printed, CompleteResponse()).answer.text


def test_shows_the_details_of_an_error(grpcurl: Path, address: str) -> None:
    arguments = ("-plaintext", "-format-error", "-d", request(boot_tokens=0), address, f"{SERVICE}/Complete")
    done = toolchain.execute([grpcurl, *arguments])
    assert done.returncode == EXIT_BASE + INVALID_ARGUMENT
    details = {detail["@type"].rpartition(".")[2]: detail for detail in json.loads(done.stderr)["details"]}
    assert details["ErrorInfo"] | {"reason": "INVALID_REQUEST", "domain": "lightrouter.dev"} == details["ErrorInfo"]
    fields = [violation["field"] for violation in details["BadRequest"]["field_violations"]]
    assert fields == ["prompt.policy.boot_tokens"]
