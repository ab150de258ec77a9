"""What kind of address a text is: a unix socket's or a host's."""

from __future__ import annotations

import re
from typing import Final

_UNIX: Final = ("unix:", "unix-abstract:")
_SCHEMES: Final = (*_UNIX, "dns:", "ipv4:", "ipv6:", "xds:")
# A host may be named like a scheme; a socket's path that is a number is written unix:./50051.
_HOST_AND_PORT: Final = re.compile(r"(dns|ipv4|ipv6|xds|unix|unix-abstract):[0-9]{1,5}")


def is_host_and_port(address: str) -> bool:
    """Tells whether an address is a port of a host that is named like a gRPC scheme, such as unix:443."""
    return _HOST_AND_PORT.fullmatch(address) is not None


def is_unix(address: str) -> bool:
    """Tells whether an address is a unix socket's, which has no TLS: unix:PATH, unix:///PATH or unix-abstract:NAME."""
    return address.startswith(_UNIX) and not is_host_and_port(address)


def target(address: str) -> str:
    """Returns the gRPC target of an address; HOST:PORT is resolved by DNS, every address of it used."""
    if address.startswith(_SCHEMES) and not is_host_and_port(address):
        return address
    return f"dns:///{address}"
