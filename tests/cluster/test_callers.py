"""Service account tokens of a real cluster as callers' tokens, by the keys that its API server publishes."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest
from kubernetes_asyncio import client

from lightrouter.pool.cluster import connect
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.security.auth import Authenticator
from lightrouter.runtime.security.jwks import JwtVerifier, Keys, KeysError, keys_from_url
from tests.cluster.access import service_account_token


async def test_a_service_account_calls_with_a_token_for_the_router(tmp_path: Path) -> None:
    name = f"callers-{uuid.uuid4().hex[:8]}"
    async with (await connect()).client as api:
        core = client.CoreV1Api(api)
        await core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
        try:
            for account in ("web", "router"):
                metadata = client.V1ObjectMeta(name=account)
                await core.create_namespaced_service_account(name, client.V1ServiceAccount(metadata=metadata))
            own = tmp_path / "token"
            own.write_text(await service_account_token(api, name, "router"))
            issuer = jwt.decode(own.read_text(), options={"verify_signature": False})["iss"]
            token = await service_account_token(api, name, "web", "lightrouter")
            other = await service_account_token(api, name, "web", "another-service")
            root: Any = api.configuration.ssl_ca_cert
            fetch = keys_from_url(f"{api.configuration.host}/openid/v1/jwks", Path(root), own)
            assert json.loads(await fetch())["keys"]
            subject = f"system:serviceaccount:{name}:web"
            authenticator = Authenticator([JwtVerifier(Keys(fetch), issuer, "lightrouter")], [subject])
            assert await authenticator.check([f"Bearer {token}"]) == subject
            for stranger, code in ((other, Code.UNAUTHENTICATED), (token[:-4] + "AAAA", Code.UNAUTHENTICATED)):
                with pytest.raises(ServiceError) as caught:
                    await authenticator.check([f"Bearer {stranger}"])
                assert caught.value.code == code
            closed = Authenticator([JwtVerifier(Keys(fetch), issuer, "lightrouter")], ["system:serviceaccount:team:*"])
            with pytest.raises(ServiceError) as caught:
                await closed.check([f"Bearer {token}"])
            assert caught.value.code == Code.PERMISSION_DENIED
            with pytest.raises(KeysError):
                await keys_from_url(f"{api.configuration.host}/openid/v1/jwks", None, own)()
        finally:
            await core.delete_namespace(name)
