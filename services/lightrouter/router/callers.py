"""Who may call the router, by its settings."""

from __future__ import annotations

from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.auth import Authenticator, StaticTokens, Verifier
from lightrouter.runtime.jwks import JwtVerifier, Keys, keys_from_file, keys_from_url


def authenticator(settings: RouterSettings) -> Authenticator | None:
    """Returns who says who may call; None where everybody may.

    Raises:
        TokensFileError: The file of tokens cannot be used.
    """
    verifiers: list[Verifier] = []
    if settings.tokens_file is not None:
        verifiers.append(StaticTokens(settings.tokens_file))
    fetch = None
    if settings.jwt_jwks_file is not None:
        fetch = keys_from_file(settings.jwt_jwks_file)
    elif settings.jwt_jwks_url is not None:
        fetch = keys_from_url(settings.jwt_jwks_url, settings.jwt_jwks_ca_file, settings.jwt_jwks_token_file)
    if fetch is not None and settings.jwt_issuer and settings.jwt_audience:
        verifiers.append(JwtVerifier(Keys(fetch), settings.jwt_issuer, settings.jwt_audience))
    allowed = [pattern.strip() for pattern in settings.allowed_callers.split(",")]
    return Authenticator(verifiers, [pattern for pattern in allowed if pattern]) if verifiers else None
