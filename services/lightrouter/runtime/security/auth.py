"""Authenticates callers by bearer tokens, from a file of hashes or signed by an issuer. No token leaves this module."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.files import FileContentError, WatchedFiles
from lightrouter.v1.error_reason_pb2 import ErrorReason

_log = logging.getLogger(__name__)
_LINE: Final = re.compile(r"(?P<name>[A-Za-z0-9][-A-Za-z0-9._:@/]{0,252})\s*:\s*(?P<hash>[0-9a-fA-F]{64})")
# Choices: some 8,000 tokens, and longer than any JSON Web Token that fits in a request's metadata.
_MAX_FILE_BYTES: Final = 1024 * 1024
_MAX_TOKEN_CHARACTERS: Final = 16 * 1024
_Tokens: TypeAlias = tuple[tuple[bytes, str], ...]

# The special characters of fnmatch other than *.
_LITERAL: Final = str.maketrans({"[": "[[]", "?": "[?]"})


def unauthenticated(message: str) -> ServiceError:
    """Returns the error for a caller without a valid token."""
    return ServiceError(Code.UNAUTHENTICATED, ErrorReason.ERROR_REASON_UNAUTHENTICATED, message)


class TokensFileError(FileContentError):
    """A tokens file that cannot be used; the text is one sentence that names file and line, never a token."""


class _TokensGoneError(TokensFileError):
    """The tokens file does not exist."""


class Verifier(Protocol):
    """One way to verify a token."""

    async def caller(self, token: str) -> str | None:
        """Returns the caller of this token; None if the token is not of this verifier's kind.

        Raises:
            ServiceError: The token is of this kind and invalid, or cannot be verified now.
        """
        ...


class Authenticator:
    """Decides which callers may call."""

    def __init__(self, verifiers: Sequence[Verifier], allowed: Sequence[str] = ()) -> None:
        """Verifies tokens by the first verifier that knows them.

        Args:
            verifiers: The verifiers, in order.
            allowed: Patterns of the permitted callers, * for any text; empty: every caller with a valid token.
        """
        self._verifiers = verifiers
        self._allowed = tuple(pattern.translate(_LITERAL) for pattern in allowed)

    async def check(self, headers: Sequence[str]) -> str:
        """Returns the caller, from the values of the header `authorization`.

        Raises:
            ServiceError: UNAUTHENTICATED: no valid token; PERMISSION_DENIED: the caller may not call; UNAVAILABLE: the
                token cannot be verified now.
        """
        token = _bearer(headers)
        for verifier in self._verifiers:
            caller = await verifier.caller(token)
            if caller is not None:
                return self._permitted(caller)
        raise unauthenticated("the bearer token is not known; ask for a new one")

    def _permitted(self, caller: str) -> str:
        if self._allowed and not any(fnmatchcase(caller, pattern) for pattern in self._allowed):
            raise ServiceError(
                Code.PERMISSION_DENIED,
                ErrorReason.ERROR_REASON_PERMISSION_DENIED,
                f"{caller[:256]} is known and may not call this service",
            )
        return caller


class Identities:
    """Permits callers by the names in their client certificates."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """Permits certificates with a name that matches one of these patterns, * for any text."""
        self._allowed = tuple(pattern.translate(_LITERAL) for pattern in allowed)

    def check(self, shown: Mapping[str, Iterable[bytes]]) -> str:
        """Returns the permitted one among the DNS names and URIs (SPIFFE) of the caller's certificate.

        Args:
            shown: gRPC's authentication context.

        Raises:
            ServiceError: PERMISSION_DENIED: none of them is permitted.
        """
        found = [name.decode("utf-8", "replace") for key in ("peer_dns", "peer_uri") for name in shown.get(key, ())]
        permitted = [name for name in found if any(fnmatchcase(name, pattern) for pattern in self._allowed)]
        if permitted:
            return permitted[0]
        told = ", ".join(found)[:256] or "without a DNS name or URI"
        raise ServiceError(
            Code.PERMISSION_DENIED,
            ErrorReason.ERROR_REASON_PERMISSION_DENIED,
            f"the certificate {told} is not among those that this service serves",
        )


class StaticTokens:
    """Verifies tokens by a file of their SHA-256 hashes, one `name: hash` a line, which is read again when it changes.

    A change that cannot be used leaves the last good tokens; removing the file revokes all tokens.
    """

    def __init__(self, path: Path) -> None:
        """Reads the file.

        Raises:
            TokensFileError: The file cannot be used.
        """
        self._path = path
        self._read()
        self._watched = WatchedFiles("tokens", [path], self._read_or_revoke)

    async def caller(self, token: str) -> str | None:
        """Returns the name of the token. See `Verifier.caller`."""
        given = hashlib.sha256(token.encode()).digest()
        found = None
        for known, name in self._watched.current():
            # Compare all of them in constant time: the duration must say nothing about a hash.
            if hmac.compare_digest(known, given):
                found = name
        return found

    def _read_or_revoke(self) -> _Tokens:
        try:
            return self._read()
        except _TokensGoneError as error:
            _log.error("all tokens are revoked: %s", error)
            return ()

    def _read(self) -> _Tokens:
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
        except IsADirectoryError:
            # Mounted in place of a file that is gone.
            raise _TokensGoneError(f"{self._path}: is a directory") from None
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _TokensGoneError(f"{self._path}: cannot be read: {error.strerror}") from None
        except OSError as error:
            raise TokensFileError(f"{self._path}: cannot be read: {error.strerror}") from None
        if len(data) > _MAX_FILE_BYTES:
            raise TokensFileError(f"{self._path}: is larger than {_MAX_FILE_BYTES:,} bytes")
        found: dict[bytes, str] = {}
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            match = _LINE.fullmatch(text)
            if not match:
                # Do not quote the line: it may hold a token.
                raise TokensFileError(f"{self._path}:{number}: must be `name: SHA-256 of the token, 64 hex digits`")
            found[bytes.fromhex(match["hash"])] = match["name"]
        return tuple(found.items())


def _bearer(headers: Sequence[str]) -> str:
    if not headers:
        raise unauthenticated("send a bearer token in the metadata `authorization`: Bearer TOKEN")
    if len(headers) > 1:
        raise unauthenticated("send the metadata `authorization` once")
    scheme, _, token = headers[0].strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_CHARACTERS:
        raise unauthenticated("the metadata `authorization` must be: Bearer TOKEN")
    return token
