"""Who may call the router, by its settings."""

from __future__ import annotations

from collections.abc import Iterator

from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.security.auth import Authenticator, StaticTokens, Verifier


def authenticator(settings: RouterSettings) -> Authenticator | None:
    """Returns who says who may call; None where everybody may.

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
    # Cryptography and an HTTP client cost a quarter of a second and 19 MB, which only those who use JWTs pay.
    from lightrouter.runtime.security.jwks import JwtVerifier, Keys, keys_from_file, keys_from_url

    if settings.jwt_jwks_file is not None:
        fetch = keys_from_file(settings.jwt_jwks_file)
    elif settings.jwt_jwks_url is not None:
        fetch = keys_from_url(settings.jwt_jwks_url, settings.jwt_jwks_ca_file, settings.jwt_jwks_token_file)
    else:
        return
    yield JwtVerifier(Keys(fetch), issuer, audience)
