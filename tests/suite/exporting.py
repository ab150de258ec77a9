"""A suite that exports all that it measures, and what it is asked for that."""

from __future__ import annotations

import signal
from pathlib import Path

import grpc
import pytest

from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy
from lightrouter.v1.router_pb2 import CompleteRequest, Prompt, StreamCompleteRequest
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.suite.otlp import Received, in_prometheus, receiver
from tests.suite.up_support import TIMEOUT_S, Up, pool_text, until, upstream


def exported(folder: Path) -> Received:
    """Runs a suite of which one candidate fails, asks it in several ways and stops it; returns what came."""
    pool = folder / "pool.yaml"
    with upstream() as base_url, receiver() as (endpoint, received):
        failing = pool_text("http://127.0.0.1:9/v1", "gamma").partition("\n")[2]
        circuit = "    circuit: {failures: 1}\n    limits: {retries: 0}\n"
        pool.write_text(pool_text(base_url, "alpha", "beta") + failing + circuit)
        with pytest.MonkeyPatch.context() as environment:
            for service in ("ROUTER", "SELECTOR", "AGGREGATOR", "ADAPTER"):
                environment.setenv(f"LIGHTROUTER_{service}_METRICS_INTERVAL_SECONDS", "0.5")
            up = Up(folder, "--pool", str(pool), "--otlp", f"http://{endpoint}")
        try:
            _ask(up.wait_ready())
            # A circuit and a queue are those of now, and are no more once an adapter has stopped.
            _until_exported(received, "lightrouter_circuit_openings_total")
            with pool.open("a") as file:
                file.write("    state: probation\n")
            _until_exported(received, "lightrouter_candidate_state_changes_total")
            up.process.send_signal(signal.SIGTERM)
            assert up.process.wait(TIMEOUT_S) == 0, up.log
        finally:
            up.end()
    return received


def _until_exported(received: Received, name: str) -> None:
    until(f"{name} is exported", lambda: name in in_prometheus(received.metrics))


def _ask(address: str) -> None:
    """Asks for an answer of several drafts, for one in pieces, and for what is refused."""
    messages = [ChatMessage(role=Role.ROLE_USER, content="Why?")]
    every = Policy(k=2, margin=1, agreement=1, aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE)
    with grpc.insecure_channel(address) as channel:
        router = RouterServiceStub(channel)
        router.Complete(CompleteRequest(prompt=Prompt(messages=messages, policy=every)), timeout=TIMEOUT_S)
        one = StreamCompleteRequest(prompt=Prompt(messages=messages, policy=Policy(k=1)))
        assert list(router.StreamComplete(one, timeout=TIMEOUT_S))
        nobody = CompleteRequest(prompt=Prompt(messages=messages, policy=Policy(candidates=["nobody"])))
        with pytest.raises(grpc.RpcError):
            router.Complete(nobody, timeout=TIMEOUT_S)
