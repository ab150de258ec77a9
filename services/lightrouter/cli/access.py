"""How a command reaches a router: its address, TLS, and the caller's token."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.cli.grammar import option, together
from lightrouter.runtime.addresses import target

if TYPE_CHECKING:
    from lightrouter.runtime.security.tls import TlsFiles

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
"""The default address of `lightrouter up`."""
ADDRESS_VARIABLE: Final = "LIGHTROUTER_ADDRESS"
"""The environment variable that names the router."""

# The ports of TCP have 16 bits.
_LAST_PORT: Final = 65535
_HOST_AND_PORT: Final = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+)(?::([0-9]{1,5}))?", re.ASCII)
_NO_AUTHORITIES: Final = "TLS needs --tls-ca-file, the trusted authorities"


@dataclass(frozen=True, slots=True)
class Access:
    """A router and the caller's credentials for it.

    Attributes:
        address: HOST:PORT, unix:PATH or a gRPC target.
        tls: The caller's certificate and its trusted authorities; None for calls without TLS.
        server_name: Name that the router's certificate must have; empty: the host of the address.
        token: The bearer token; empty: none.
    """

    address: str
    tls: TlsFiles | None = None
    server_name: str = ""
    token: str = field(default="", repr=False)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of each call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()


tls_options: Final = together(
    option("--tls-ca-file", type=Path, section="TLS", help="trusted authorities, PEM; switches TLS on"),
    option("--tls-cert-file", type=Path, section="TLS", help="the caller's certificate, PEM, for mTLS"),
    option("--tls-key-file", type=Path, section="TLS", help="its key, PEM"),
)
"""Adds the files of TLS: `tls_ca_file`, `tls_cert_file` and `tls_key_file`."""


def access_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the router's address and the caller's credentials; the function gets them as `reached`, an `Access`."""

    @wraps(function)
    def reaching(
        address: str,
        token_file: Path | None,
        tls_server_name: str,
        tls_ca_file: Path | None,
        tls_cert_file: Path | None,
        tls_key_file: Path | None,
        **given: Any,
    ) -> Any:
        tls = tls_files(tls_ca_file, tls_cert_file, tls_key_file)
        if tls is None and tls_server_name:
            raise CommandError(_NO_AUTHORITIES, ExitCode.USAGE)
        if address:
            _check_address(address, tls=bool(tls))
        reached = Access(address or DEFAULT_ADDRESS, tls, tls_server_name, _token(token_file))
        return function(reached=reached, **given)

    add = together(
        option(
            "--address",
            metavar="HOST:PORT",
            envvar=ADDRESS_VARIABLE,
            section="Router",
            help=f"the router; default: ${ADDRESS_VARIABLE}, else {DEFAULT_ADDRESS}",
        ),
        option("--token-file", type=Path, section="Router", help="file with the caller's bearer token"),
        tls_options,
        option("--tls-server-name", default="", metavar="NAME", section="TLS", help="name in the router's certificate"),
    )
    return add(reaching)


def tls_files(authorities: Path | None, certificate: Path | None, key: Path | None) -> TlsFiles | None:
    """Returns the files of TLS; None for calls without TLS.

    Raises:
        CommandError: Files are missing or cannot be used.
    """
    if (certificate is None) != (key is None):
        raise CommandError("--tls-cert-file and --tls-key-file go together; give both or neither", ExitCode.USAGE)
    if authorities is None:
        if certificate:
            raise CommandError(_NO_AUTHORITIES, ExitCode.USAGE)
        return None
    from lightrouter.runtime.security.tls import TlsError, TlsFiles

    try:
        return TlsFiles(certificate, key, authorities)
    except TlsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


def _check_address(address: str, *, tls: bool) -> None:
    """Refuses what is neither HOST:PORT nor a gRPC target; with TLS, gRPC knows the port, 443."""
    found = _HOST_AND_PORT.fullmatch(address)
    if target(address) != address and not (found and (int(found[1]) <= _LAST_PORT if found[1] else tls)):
        message = f"--address or ${ADDRESS_VARIABLE}: {address!r} must be HOST:PORT, such as {DEFAULT_ADDRESS}"
        raise CommandError(message, ExitCode.USAGE)


def _token(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise CommandError(f"--token-file {path} cannot be read: {error.strerror}", ExitCode.USAGE) from None
    except UnicodeDecodeError:
        raise CommandError(f"--token-file {path} is not plain text, so it holds no token", ExitCode.USAGE) from None
    if len(token.split()) != 1:
        raise CommandError(f"--token-file {path} must hold one token and nothing else", ExitCode.USAGE)
    return token
