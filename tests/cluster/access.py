"""Tokens of service accounts."""

from __future__ import annotations

from typing import Any

from kubernetes_asyncio import client


async def service_account_token(
    api: client.ApiClient, namespace: str, name: str, audience: str | None = None, seconds: int = 600
) -> str:
    """Returns a token of a service account for `audience`, by default the API server's own."""
    spec = client.V1TokenRequestSpec(audiences=[audience] if audience else [], expiration_seconds=seconds)
    request = client.AuthenticationV1TokenRequest(spec=spec)
    answer: Any = await client.CoreV1Api(api).create_namespaced_service_account_token(name, namespace, request)
    return str(answer.status.token)
