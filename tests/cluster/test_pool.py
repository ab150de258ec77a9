"""Candidates come, change, break and go; the API server hangs; a key is rotated: calls see it, or do not mind."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest

from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, ListCandidatesRequest, Prompt
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.cluster.release import NAME, Namespace, candidate, small, until

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceStub as Stub

pytestmark = pytest.mark.timeout(1800)

PROMISE_S = 10.0
"""A change must have its effect on calls that begin after this time; the promise is 2 s on a machine that is idle."""
OUTAGE_S = 60.0


@contextmanager
def calling(namespace: Namespace) -> Iterator[Stub]:
    """Gives a stub of the router, from outside the cluster."""
    with namespace.forwarded() as address, grpc.insecure_channel(address) as channel:
        yield RouterServiceStub(channel)


def ask(stub: Stub) -> Answer:
    """Makes a call, once more if the way into the cluster breaks meanwhile."""
    prompt = Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content="Who is there?")])
    try:
        return _complete(stub, prompt)
    except grpc.RpcError as error:
        if from_rpc_error(cast("grpc.aio.AioRpcError", error)).reason != ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE:
            raise
        return _complete(stub, prompt)


def _complete(stub: Stub, prompt: Prompt) -> Answer:
    return stub.Complete(CompleteRequest(prompt=prompt), timeout=300, wait_for_ready=True).answer


def asked(stub: Stub) -> set[str]:
    """Returns who took part in a call."""
    return {entry.candidate for entry in ask(stub).ledger.entries}


def listed(stub: Stub) -> dict[str, Candidate]:
    """Returns the candidates that the router lists, by name."""
    found = stub.ListCandidates(ListCandidatesRequest(), timeout=300, wait_for_ready=True).candidates
    return {each.candidate.name: each.candidate for each in found}


def routers(namespace: Namespace) -> dict[str, int]:
    """Returns how often each pod of the router was restarted."""
    return {
        name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in namespace.pods("router").items()
    }


def elsewhere(namespace: Namespace, resource: str, adapter: str, /, **spec: Any) -> dict[str, Any]:
    """Returns a Candidate for the adapter of a candidate of the release."""
    address = f"dns:///{NAME}-adapter-{adapter}.{namespace.name}.svc.cluster.local:50051"
    return {
        "apiVersion": "lightrouter.dev/v1alpha1",
        "kind": "Candidate",
        "metadata": {"name": resource, "labels": {"lightrouter.dev/router": NAME}},
        "spec": {"model": adapter, "address": address, **spec},
    }


def condition(namespace: Namespace, name: str) -> str:
    """Returns the reason, the status and the message of a Candidate's condition Ready."""
    found = namespace.get("candidate", name).get("status", {}).get("conditions", [])
    return next((f"{each['status']} {each['message']}" for each in found if each["type"] == "Ready"), "")


def test_candidates_come_change_break_and_go_without_a_restart(suite: Namespace) -> None:
    before = routers(suite)
    with calling(suite) as stub:
        until(lambda: asked(stub) == {"a", "b"}, "both take part")
        suite.kubectl("delete", "candidate", f"{NAME}-b")
        until(lambda: asked(stub) == {"a"}, "b is gone", PROMISE_S)
        suite.apply(elsewhere(suite, f"{NAME}-b", "b", name="b", prior=0.5))
        until(lambda: asked(stub) == {"a", "b"}, "b is there", PROMISE_S)
        suite.apply(elsewhere(suite, f"{NAME}-b", "b", name="b", prior=0.5, state="evicted"))
        until(lambda: asked(stub) == {"a"}, "b may not answer", PROMISE_S)
        suite.apply(elsewhere(suite, f"{NAME}-b", "b", name="b", prior=0.5, prices={"output": "2.5"}))
        until(lambda: listed(stub)["b"].prices.output_nanousd_per_million == 2_500_000_000, "b has a price", PROMISE_S)

        suite.apply(elsewhere(suite, "broken", "b", provider="nobody-s"))
        until(lambda: condition(suite, "broken").startswith("False"), "the broken one is told so")
        assert "spec.provider: is not a known provider" in condition(suite, "broken")
        assert asked(stub) == {"a", "b"}
        suite.apply(elsewhere(suite, "double", "b", name="a"))
        until(lambda: "an older resource has the name a" in condition(suite, "double"), "so is the double")
        assert asked(stub) == {"a", "b"}
        suite.kubectl("delete", "candidate", "broken", "double")
        assert condition(suite, f"{NAME}-a").startswith("True")
    assert routers(suite) == before


def test_the_definition_refuses_and_shows_what_it_should(suite: Namespace) -> None:
    for spec, said in (({"prices": {"input": "-1"}}, "prices.input"), ({"prior": 2}, "prior")):
        with pytest.raises(AssertionError, match=said):
            suite.apply(elsewhere(suite, "refused", "a", **spec))
    renamed = '{"spec": {"name": "another"}}'
    with pytest.raises(AssertionError, match="immutable"):
        suite.kubectl("patch", "candidate", f"{NAME}-a", "--type=merge", "--patch", renamed)
    header, first, *_ = suite.kubectl("get", "cand").splitlines()
    standing = ["STATE", "SCORE", "LOW", "HIGH", "PROMPTS", "EVALUATED", "WHY"]
    assert header.split() == ["NAME", "MODEL", "ADAPTER", *standing, "READY", "AGE"]
    assert first.split()[:2] == [f"{NAME}-a", "a"]
    assert f"candidate.lightrouter.dev/{NAME}-a" in suite.kubectl("get", "all", "--output=name")


def test_a_rotated_key_is_used_by_the_next_call(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]],
) -> None:
    def key(value: str) -> dict[str, Any]:
        data = {"api-key": base64.b64encode(value.encode()).decode()}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "data": data}

    with new_namespace("keys") as given:
        given.provider()
        given.apply(key("the-old-key"))
        given.install(small(candidate("a", apiKey={"secretName": "keys", "key": "api-key", "mount": True})))
        with calling(given) as stub:
            ask(stub)
            assert set(given.seen()["keys"]) == {"Bearer the-old-key"}
            pods = given.pods("adapter")
            given.apply(key("the-new-key"))
            given.remount("adapter")
            (adapter,) = pods
            (mount,) = [
                each["mountPath"]
                for each in pods[adapter]["spec"]["containers"][0]["volumeMounts"]
                if "key" in each["name"]
            ]
            script = (
                f"import pathlib; print(*(p.read_text() for p in pathlib.Path('{mount}').rglob('*') if p.is_file()))"
            )
            read = ("exec", adapter, "--", "python3", "-c", script)
            until(lambda: "the-new-key" in given.kubectl(*read), "the kubelet mounts the new key")
            before = given.seen()["keys"]["Bearer the-old-key"]
            ask(stub)
            seen = given.seen()["keys"]
            assert seen["Bearer the-old-key"] == before
            assert seen["Bearer the-new-key"] > 0
        assert given.pods("adapter").keys() == pods.keys()


@pytest.mark.alone
def test_routes_go_on_while_the_api_server_hangs(suite: Namespace) -> None:
    stop, start = os.environ.get("API_SERVER_STOP"), os.environ.get("API_SERVER_START")
    if not (stop and start):
        reason = "API_SERVER_STOP and API_SERVER_START name no commands that hold and release the API server"
        (pytest.fail if os.environ.get("CLUSTER_TESTS") == "required" else pytest.skip)(reason)
    before = routers(suite)
    with suite.load(rate=5) as report:
        subprocess.run(shlex.split(stop), check=True, timeout=300)
        try:
            threading.Event().wait(OUTAGE_S)
        finally:
            subprocess.run(shlex.split(start), check=True, timeout=300)
        outcome = report()
    assert outcome["failed"] == {}, outcome
    assert outcome["wrong"] == [], outcome
    # What is slow or refuses a connection is a busy machine's doing; only the API server's absence may degrade nothing.
    reasons = {entry.partition(":")[0].removeprefix("DEGRADED_REASON_") for entry in outcome["degraded"]}
    assert reasons <= {"CANDIDATE_SLOW", "CANDIDATE_FAILED", "COMPLETION_FAILED"}, outcome
    assert routers(suite) == before
    with calling(suite) as stub:
        until(lambda: asked(stub) == {"a", "b"}, "both take part")
        suite.kubectl("delete", "candidate", f"{NAME}-b")
        until(lambda: asked(stub) == {"a"}, "the router sees changes again")
