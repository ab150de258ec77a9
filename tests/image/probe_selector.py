"""Runs in the image, beside a selector: asks it for its health and a ranking, and writes the ranking as JSON."""

from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest
from lightrouter.v1.selector_pb2_grpc import SelectorServiceStub

with grpc.insecure_channel("127.0.0.1:50051") as channel:
    health: Any = health_pb2_grpc.HealthStub(channel)
    checked = health.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
    assert checked.status == health_pb2.HealthCheckResponse.SERVING
    request = SelectRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, content="What is the capital of France?")],
        partials=[
            Partial(candidate="one", text="The capital of France is Paris."),
            Partial(candidate="two", text="Paris is the capital of France."),
            Partial(candidate="odd", text="Bananas are yellow."),
        ],
        strategy=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS,
    )
    print(MessageToJson(SelectorServiceStub(channel).Select(request, timeout=10)))
