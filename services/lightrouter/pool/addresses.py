"""Addresses in a pool: roots of providers, gRPC targets of adapters, and the sentences that refuse others."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, unquote_plus, urlsplit

_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_NO_HOST: Final = "must name a host: a name like api.example.com, or an address like 10.0.0.1 or [::1]"
_SECRET: Final = re.compile(
    r"(?i)(?:^|[&;])[^=&;]*(?:key|token|secret|passw(?:or)?d|pwd|credential|sig(?:nature)?|authorization)=[^&;]"
)
# Container networks name hosts with underscores; a point may end a whole name.
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
# The most characters of a name that DNS can carry (RFC 1035).
_MOST_HOST: Final = 253
# A name whose last label is a number is an address, and no other one (https://url.spec.whatwg.org/#host-parsing).
_NUMERIC: Final = re.compile(r"(?:.*\.)?\d+")
# https://grpc.github.io/grpc/core/md_doc_naming.html
_TARGET: Final = re.compile(
    r"(?:(?:(?P<network>dns|ipv4|ipv6)|unix|unix-abstract|vsock|xds|google-c2p|passthrough):"
    r"|(?P<unknown>[a-z][a-z0-9+.-]*)(?=://))?(?://[^/]*/)?(?P<rest>.*)",
    re.IGNORECASE,
)
_PORT: Final = re.compile(r".*[^:]:(?P<port>[^:\]]*)")
# A port has 16 bits.
_MOST_PORT: Final = 65_535


def checked_url(value: str) -> str:
    """Returns a provider's root URL without a slash at its end.

    Raises:
        ValueError: It is not a root URL, or contains credentials or a fragment.
    """
    if value != value.strip() or not value.isprintable() or re.search(r"[\s\\]", value):
        raise ValueError("must be a URL without spaces, backslashes and invisible characters")
    if not _HTTP.match(value):
        raise ValueError("must be an http or https URL like http://localhost:11434/v1")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(_NO_HOST) from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials; name the key with api_key_env or api_key_file")
    _check_host(parts)
    if "#" in value:
        raise ValueError("must not have a fragment")
    if _SECRET.search(unquote_plus(parts.query)):
        raise ValueError("must not hold credentials in its query; name the key with api_key_env or api_key_file")
    root, mark, query = value.partition("?")
    root = root.rstrip("/")
    if root.endswith("/chat/completions"):
        raise ValueError("must be the root, without /chat/completions, which is added to it")
    return f"{root}{mark}{query}" if query else root


def under(root: str, path: str) -> str:
    """Returns the URL of `path` below a provider's root; the root's query stays, behind that of `path`."""
    base, _, query = root.partition("?")
    return f"{base}{path}{'&' if '?' in path else '?'}{query}" if query else f"{base}{path}"


def checked_target(value: str) -> str:
    """Returns a gRPC target as it is.

    Raises:
        ValueError: It is not one.
    """
    if not value or not value.isprintable() or re.search(r"\s", value):
        raise ValueError("must be a gRPC target like dns:///adapter-fast:50051 or unix:/run/fast.sock")
    found = _TARGET.fullmatch(value)
    if found is None or found["unknown"]:
        raise ValueError("must be a gRPC target like dns:///adapter-fast:50051, not the URL of another protocol")
    if not found["rest"]:
        raise ValueError("must be a gRPC target like dns:///adapter-fast:50051; it names no host")
    if found["network"] or found.start("rest") == 0:
        ports = map(_PORT.fullmatch, found["rest"].split(","))
        if not all(_is_port(port["port"]) for port in ports if port):
            raise ValueError(f"must have a port from 1 to {_MOST_PORT:,}")
    return value


def _check_host(parts: SplitResult) -> None:
    """Refuses a host that is neither a name nor an address, and a port that is none.

    Raises:
        ValueError: Either is invalid.
    """
    authority = parts.netloc
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        host, port = authority, ""
    if not _is_host(host):
        raise ValueError(_NO_HOST)
    if port and not _is_port(port):
        raise ValueError(f"must have a port from 1 to {_MOST_PORT:,}, or none")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 7 and 0 < int(text) <= _MOST_PORT


def _is_host(host: str) -> bool:
    try:
        if host.startswith("["):
            # A zone, as in [fe80::1%25eth0], is of this machine.
            return host.endswith("]") and bool(IPv6Address(host[1:-1].replace("%25", "%", 1)))
        if _NUMERIC.fullmatch(host):
            return bool(IPv4Address(host))
        name = host if host.isascii() else host.encode("idna").decode()
    except (AddressValueError, UnicodeError):
        return False
    labels = name.removesuffix(".").split(".")
    return len(name) <= _MOST_HOST and all(map(_LABEL.fullmatch, labels))
