"""The authentication of the router's callers."""

from __future__ import annotations

from collections.abc import Iterator

from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.security.auth import Authenticator, StaticTokens, Verifier


def authenticator(settings: RouterSettings) -> Authenticator | None:
    """Returns the authenticator that the settings describe; None if everybody may call.

    Raises:
        TokensFileError: The file of tokens cannot be used.
    """
    verifiers: list[Verifier] = []
    if settings.tokens_file is not None:
        verifiers.append(StaticTokens(settings.tokens_file))
    if settings.jwt_issuer and settings.jwt_audience:
        verifiers.extend(_jwt_verifier(settings, settings.jwt_issuer, settings.jwt_audience))
    allowed = [pattern.strip() for pattern in settings.allowed_callers.split(",")]
    return Authenticator(verifiers, [pattern for pattern in allowed if pattern]) if verifiers else None


def _jwt_verifier(settings: RouterSettings, issuer: str, audience: str) -> Iterator[Verifier]:
    # Imported here: cryptography and an HTTP client cost 0.25 s and 19 MB, which a router without JWTs need not pay.
    from lightrouter.runtime.security.jwks import JwtVerifier, Keys, keys_from_file, keys_from_url

    if settings.jwt_jwks_file is not None:
        fetch = keys_from_file(settings.jwt_jwks_file)
    elif settings.jwt_jwks_url is not None:
        fetch = keys_from_url(settings.jwt_jwks_url, settings.jwt_jwks_ca_file, settings.jwt_jwks_token_file)
    else:
        return
    yield JwtVerifier(Keys(fetch), issuer, audience)
