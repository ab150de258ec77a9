"""Verifies bearer tokens that an issuer signed (JWT) by the keys that it publishes (JWKS)."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
import jwt
from jwt import PyJWK, PyJWKSet

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.security.auth import unauthenticated
from lightrouter.v1.error_reason_pb2 import ErrorReason

_log = logging.getLogger(__name__)
# Asymmetric algorithms only: with a symmetric one, every reader of the published keys could sign.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# Choices: issuers publish a few keys of about a kilobyte, within a second, with clocks that differ by seconds.
_MAX_KEYS_BYTES: Final = 1024 * 1024
_FETCH_SECONDS: Final = 5.0
_RETRY_AFTER_SECONDS: Final = 1.0
_LEEWAY_SECONDS: Final = 10.0


class KeysError(Exception):
    """The issuer's keys cannot be fetched; the text is one sentence."""


FetchKeys = Callable[[], Awaitable[bytes]]
"""Returns the issuer's JWKS; raises KeysError."""


def keys_from_file(path: Path) -> FetchKeys:
    """Returns a function that reads the keys from a file."""

    async def fetch() -> bytes:
        try:
            with path.open("rb") as file:
                return file.read(_MAX_KEYS_BYTES + 1)
        except OSError as error:
            raise KeysError(f"{path}: cannot be read: {error.strerror}") from None

    return fetch


def keys_from_url(url: str, authorities: Path | None = None, token: Path | None = None) -> FetchKeys:
    """Returns a function that fetches the keys from a URL.

    Args:
        url: The URL of the JWKS.
        authorities: File of the trusted authorities (PEM); None: the system's.
        token: File with a bearer token for the server, for example for the Kubernetes API.
    """

    async def fetch() -> bytes:
        try:
            context = ssl.create_default_context(cafile=authorities)
            headers = {"Accept": "application/jwk-set+json, application/json"}
            if token is not None:
                headers["Authorization"] = f"Bearer {_text(token)}"
            timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
            # A new session each time: this happens every few minutes, and the authorities may have changed.
            async with (
                aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=context)) as session,
                session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise KeysError(f"{url} says {response.status}")
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > _MAX_KEYS_BYTES:
                        break
                return bytes(data)
        except TimeoutError:
            raise KeysError(f"{url} did not answer in {_FETCH_SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Only the type: the text of an error could hold the header.
            raise KeysError(f"{url} cannot be read: {type(error).__name__}") from None

    return fetch


class Keys:
    """The cached keys of an issuer, fetched again when they are old or a key is missing."""

    def __init__(
        self,
        fetch: FetchKeys,
        fresh_seconds: float = 300.0,
        pause_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetches by `fetch` after `fresh_seconds`; for an unknown key at most every `pause_seconds`.

        Old keys stay valid until new ones arrive, so that callers get in while the issuer is down. The defaults are
        choices.
        """
        self._fetch = fetch
        self._fresh_seconds = fresh_seconds
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._keys: dict[str | None, PyJWK] | None = None
        self._asked: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, key_id: str | None) -> PyJWK | None:
        """Returns the key of this id, or the only key for the id None; None if there is no such key.

        Raises:
            KeysError: No keys were ever fetched.
        """
        missing = self._keys_for(key_id) is None
        pause = self._pause_seconds if missing else self._fresh_seconds
        if self._keys is None:
            pause = _RETRY_AFTER_SECONDS
        if self._asked is None or self._clock() - self._asked >= pause:
            self._begin()
        if missing and self._fetching is not None:
            # All waiting callers share one fetch, and the end of one call does not cancel it. A caller with a known key
            # does not wait.
            await asyncio.shield(self._fetching)
        if self._keys is None:
            raise KeysError("the issuer's keys cannot be fetched now")
        return self._keys_for(key_id)

    def _keys_for(self, key_id: str | None) -> PyJWK | None:
        keys = self._keys or {}
        if key_id is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(key_id)

    def _begin(self) -> None:
        if self._fetching is None or self._fetching.done():
            self._asked = self._clock()
            self._fetching = asyncio.get_running_loop().create_task(self._replace())

    async def _replace(self) -> None:
        try:
            self._keys = _parse(await self._fetch())
        except KeysError as error:
            _log.error("the keys that callers' tokens are checked by cannot be renewed: %s", error)


class JwtVerifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, keys: Keys, issuer: str, audience: str) -> None:
        """Verifies by `keys` that `issuer` signed a token for `audience`."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    async def caller(self, token: str) -> str | None:
        """Returns the token's subject. See `auth.Verifier.caller`."""
        if token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return None
        key = await self._key(header.get("kid"))
        if key is None:
            raise unauthenticated("the token is signed by a key that its issuer does not have")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise unauthenticated(_sentence(error, self._issuer, self._audience)) from None
        return str(claims["sub"])

    async def _key(self, key_id: str | None) -> PyJWK | None:
        try:
            return await self._keys.get(key_id)
        except KeysError:
            raise ServiceError(
                Code.UNAVAILABLE,
                ErrorReason.ERROR_REASON_UNAUTHENTICATED,
                "the token cannot be checked now: its issuer's keys cannot be fetched",
                retry_after=_RETRY_AFTER_SECONDS,
            ) from None


def _sentence(error: jwt.PyJWTError, issuer: str, audience: str) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired; get a new one"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case jwt.InvalidAudienceError():
            return f"the token is not for the audience {audience}"
        case jwt.InvalidIssuerError():
            return f"the token is not of the issuer {issuer}"
        case jwt.MissingRequiredClaimError():
            return f"the token has no claim {error.claim}"
        case _:
            return "the token's signature is not its issuer's, or the token is malformed"


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _parse(data: bytes) -> dict[str | None, PyJWK]:
    if len(data) > _MAX_KEYS_BYTES:
        raise KeysError(f"the keys have more than {_MAX_KEYS_BYTES:,} bytes")
    try:
        found = PyJWKSet.from_dict(json.loads(data)).keys
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise KeysError("the keys are no JWKS with a key that is known here") from None
    return {key.key_id: key for key in found if key.public_key_use in {None, "sig"} and key.key_type != "oct"}
