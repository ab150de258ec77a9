"""An issuer of JWTs with keys of its own, and a server that publishes them."""

from __future__ import annotations

import json
import time
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "https://issuer.example"
AUDIENCE = "lightrouter"


class Issuer:
    """An issuer; `rotate` gives it another key."""

    def __init__(self) -> None:
        self.count = 0
        self.rotate()

    def rotate(self) -> None:
        """Signs with a new key from now on and forgets the old one."""
        self.count += 1
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def key_id(self) -> str:
        """The id of the key."""
        return f"key-{self.count}"

    def jwks(self) -> bytes:
        """Returns the keys as they are published."""
        key = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return json.dumps({"keys": [key | {"kid": self.key_id, "alg": "ES256", "use": "sig"}]}).encode()

    def token(self, **claims: Any) -> str:
        """Returns a token of the subject `somebody`, good for a minute; claims that are None are left out."""
        now = int(time.time())
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 60} | claims
        present = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(present, self.key, algorithm="ES256", headers={"kid": self.key_id})


class KeyServer:
    """Publishes an issuer's keys; `status` other than 200 in place of them.

    Attributes:
        asked: The headers `Authorization` of the requests so far; empty if there was none.
    """

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self.status = 200
        self.asked: list[str] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/keys", self._keys)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/keys"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("Authorization", ""))
        return web.Response(body=self._issuer.jwks(), status=self.status, headers={"Location": "/keys"})
