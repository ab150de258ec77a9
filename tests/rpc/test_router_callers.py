"""Who may call the router, over a real channel."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.router_pb2 import CompleteRequest, ListCandidatesRequest, StreamCompleteRequest
from tests.rpc.router_suite import RouterSuite
from tests.tokens import AUDIENCE, ISSUER, Issuer, KeyServer

TOKEN = "a-secret-of-32-characters-or-more"
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


async def refusal(suite: RouterSuite, metadata: Metadata = ()) -> ServiceError:
    """Returns the error of all three methods, which is the same, even if the request is bad."""
    stub = suite.stub
    errors = []
    for call in (
        stub.Complete(CompleteRequest(), metadata=metadata),
        stub.ListCandidates(ListCandidatesRequest(), metadata=metadata),
        stub.StreamComplete(StreamCompleteRequest(), metadata=metadata).read(),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        errors.append(from_rpc_error(caught.value))
    assert len({(error.code, error.reason, error.message) for error in errors}) == 1
    assert not errors[0].violations
    return errors[0]


async def count(suite: RouterSuite, metadata: Metadata) -> int:
    answer = await suite.stub.ListCandidates(ListCandidatesRequest(), metadata=metadata)
    return len(answer.candidates)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"web: {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    return path


async def test_a_static_token_opens_and_no_token_does_not(tokens: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with RouterSuite(tokens_file=tokens) as suite:
        assert await count(suite, bearer(TOKEN)) == 3
        for metadata in ((), bearer("another"), bearer(TOKEN) * 2):
            error = await refusal(suite, metadata)
            assert (error.code, error.reason) == (
                Code.UNAUTHENTICATED,
                ErrorReason.ERROR_REASON_UNAUTHENTICATED,
            )
        tokens.write_text("")
        await refusal(suite, bearer(TOKEN))
    assert TOKEN not in caplog.text


async def test_a_known_caller_that_may_not_call_is_told_so(tokens: Path) -> None:
    async with RouterSuite(tokens_file=tokens, allowed_callers="batch, ci-*") as suite:
        error = await refusal(suite, bearer(TOKEN))
        assert (error.code, error.reason) == (Code.PERMISSION_DENIED, ErrorReason.ERROR_REASON_PERMISSION_DENIED)


async def test_health_and_reflection_stay_open(tokens: Path) -> None:
    async with RouterSuite(tokens_file=tokens) as suite:
        health: Any = health_pb2_grpc.HealthStub(suite.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", suite.channel))
        call = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        assert (await call.read()).list_services_response.service


async def test_a_jwt_opens_by_the_keys_that_its_issuer_publishes(tokens: Path) -> None:
    issuer = Issuer()
    async with (
        KeyServer(issuer) as server,
        RouterSuite(
            tokens_file=tokens,
            jwt_jwks_url=server.url,
            jwt_issuer=ISSUER,
            jwt_audience=AUDIENCE,
            allowed_callers="web,system:serviceaccount:team:*",
        ) as suite,
    ):
        allowed, other = "system:serviceaccount:team:web", "system:serviceaccount:other:web"
        assert await count(suite, bearer(issuer.token(sub=allowed))) == 3
        assert await count(suite, bearer(TOKEN)) == 3
        assert (await refusal(suite, bearer(issuer.token(sub=other)))).code == Code.PERMISSION_DENIED
        assert "expired" in (await refusal(suite, bearer(issuer.token(sub=allowed, exp=1)))).message
        assert (await refusal(suite, bearer(Issuer().token(sub=allowed)))).code == Code.UNAUTHENTICATED
        assert len(server.asked) == 1


async def test_keys_that_cannot_be_had_are_no_reason_to_open(tmp_path: Path) -> None:
    none = tmp_path / "none"
    async with RouterSuite(jwt_jwks_file=none, jwt_issuer=ISSUER, jwt_audience=AUDIENCE) as suite:
        error = await refusal(suite, bearer(Issuer().token()))
        assert (error.code, error.reason) == (Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UNAUTHENTICATED)
        assert error.retry_after
