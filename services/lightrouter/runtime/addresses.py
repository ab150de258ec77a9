"""Tells unix sockets from hosts, and turns an address into a gRPC target."""

from __future__ import annotations

import re
from typing import Final

_UNIX: Final = ("unix:", "unix-abstract:")
_SCHEMES: Final = (*_UNIX, "dns:", "ipv4:", "ipv6:", "xds:")
# A host can have the name of a scheme. Write a socket whose path is a number as unix:./50051.
_HOST_AND_PORT: Final = re.compile(r"(dns|ipv4|ipv6|xds|unix|unix-abstract):[0-9]{1,5}")


def is_host_and_port(address: str) -> bool:
    """Tells whether an address is HOST:PORT although its host has the name of a gRPC scheme, for example unix:443."""
    return _HOST_AND_PORT.fullmatch(address) is not None


def is_unix(address: str) -> bool:
    """Tells whether an address is a unix socket, which has no TLS: unix:PATH, unix:///PATH or unix-abstract:NAME."""
    return address.startswith(_UNIX) and not is_host_and_port(address)


def target(address: str) -> str:
    """Returns the gRPC target of an address; for HOST:PORT, all addresses of the host in DNS are used."""
    if address.startswith(_SCHEMES) and not is_host_and_port(address):
        return address
    return f"dns:///{address}"
