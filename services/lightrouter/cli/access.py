"""How a command reaches a router: its address, TLS, and the caller's token."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lightrouter.cli.errors import CommandError, ExitCode
from lightrouter.runtime.security.tls import TlsError, TlsFiles

DEFAULT_ADDRESS: Final = "127.0.0.1:50051"
"""The default address of `lightrouter up`."""
ADDRESS_VARIABLE: Final = "LIGHTROUTER_ADDRESS"
"""The environment variable that names the router."""

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments for the router's address and the caller's credentials."""
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help=f"the router; default: ${ADDRESS_VARIABLE}, else {DEFAULT_ADDRESS}",
    )
    access = parser.add_argument_group("credentials")
    access.add_argument("--token-file", type=Path, metavar="FILE", help="file with the caller's bearer token")
    add_tls_arguments(access)
    access.add_argument("--tls-server-name", default="", metavar="NAME", help="name in the router's certificate")


def add_tls_arguments(group: argparse._ArgumentGroup) -> None:
    """Adds the arguments for the files of TLS."""
    group.add_argument("--tls-ca-file", type=Path, metavar="FILE", help="trusted authorities, PEM; switches TLS on")
    group.add_argument("--tls-cert-file", type=Path, metavar="FILE", help="the caller's certificate, PEM, for mTLS")
    group.add_argument("--tls-key-file", type=Path, metavar="FILE", help="its key, PEM")


def access_from(arguments: argparse.Namespace) -> Access:
    """Returns the router and credentials from these arguments, else from the environment.

    Raises:
        CommandError: Arguments conflict, or a file cannot be used.
    """
    address = arguments.address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
    tls = tls_from(arguments)
    if tls is None and arguments.tls_server_name:
        raise CommandError(_NO_AUTHORITIES, ExitCode.USAGE)
    return Access(address, tls, arguments.tls_server_name, _token(arguments.token_file))


def tls_from(arguments: argparse.Namespace) -> TlsFiles | None:
    """Returns the files of TLS that these arguments name; None for calls without TLS.

    Raises:
        CommandError: Arguments conflict, or a file cannot be used.
    """
    certificate, key, authorities = arguments.tls_cert_file, arguments.tls_key_file, arguments.tls_ca_file
    if (certificate is None) != (key is None):
        raise CommandError("--tls-cert-file and --tls-key-file go together; give both or neither", ExitCode.USAGE)
    if authorities is None:
        if certificate:
            raise CommandError(_NO_AUTHORITIES, ExitCode.USAGE)
        return None
    try:
        return TlsFiles(certificate, key, authorities)
    except TlsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None


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
