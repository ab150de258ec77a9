"""Addresses that a pool takes, and the sentences that refuse others."""

# Digits and signs of other scripts are meant where they look like those of ASCII.
# ruff: noqa: RUF001

from __future__ import annotations

import pytest

from lightrouter.pool.addresses import checked_target, checked_url, under
from tests.unit.pool.file_support import PATH, faults

ROOTS = {
    "http://h": "http://h",
    "https://h/": "https://h",
    "https://api.example.com/v1/": "https://api.example.com/v1",
    "https://h/v1//": "https://h/v1",
    "HTTP://H/V1": "HTTP://H/V1",
    "http://h/v1?": "http://h/v1",
    "http://h/v1/?api-version=1": "http://h/v1?api-version=1",
    "http://h?tokens=5": "http://h?tokens=5",
    "http://h:": "http://h:",
    "http://h:1": "http://h:1",
    "http://h:65535": "http://h:65535",
    "http://my_service:8000": "http://my_service:8000",
    "http://h.": "http://h.",
    "http://10.0.0.1:8000/v1": "http://10.0.0.1:8000/v1",
    "http://0.0.0.0:80": "http://0.0.0.0:80",
    "http://169.254.169.254/v1": "http://169.254.169.254/v1",
    "http://[::1]": "http://[::1]",
    "http://[::1]:11434/v1": "http://[::1]:11434/v1",
    "http://[::ffff:127.0.0.1]": "http://[::ffff:127.0.0.1]",
    "http://[fe80::1%25eth0]/v1": "http://[fe80::1%25eth0]/v1",
    "http://bücher.example/v1": "http://bücher.example/v1",
    "http://xn--bcher-kva.example": "http://xn--bcher-kva.example",
    "http://例え.jp": "http://例え.jp",
    "http://h/v1/@x": "http://h/v1/@x",
    "http://h/accounts/{id}/v1": "http://h/accounts/{id}/v1",
}
SCHEME = "must be an http or https URL"
HOST = "must name a host"
PORT = "must have a port from 1 to 65,535"
CREDENTIALS = "must not hold credentials"
SPACES = "must be a URL without spaces"
REFUSED = {
    SCHEME: [
        "", "h", "h/v1", "//h/v1", "localhost:11434", "localhost:11434/v1", "h:80", "ftp://h", "ws://h", "grpc://h:1",
        "unix:/run/x", "http+unix://%2Frun%2Fx", "http:/h", "http:h", "'http://h'", "<http://h>",
    ],
    HOST: [
        "http://", "http:///v1", "http://[::1", "http://h／v1",
        "http://:80", "http://?q", "http://[zz]/", "http://[::1]x", "http://::1/v1",
        "http://h..example", "http://.h", "http://-h.example", "http://h-", "http://{name}/v1", "http://$HOST/v1",
        "http://<host>/v1", "http://h,", "http://h;http://g", "http://h|x", "http://*.h", "http://%68",
        "http://h%2Fv1", "http://a'b", "http://256.1.1.1", "http://1.2.3", "http://h.1", f"http://{'a' * 64}.example",
        f"http://{'a.' * 200}b",
    ],
    PORT: ["http://h:0", "http://h:65536", "http://h:-1", "http://h:x", "http://h:+80", "http://h:1_0", "http://[::1]:0",
           "http://h:８０", f"http://h:{'9' * 5000}"],
    CREDENTIALS: [
        "http://u@h", "http://user:hunter2@h/v1", "http://:hunter2@h", "http://u:@h", "http://@h", "http://h@evil",
        "http://h/v1?key=hunter2", "http://h/v1?api_key=hunter2", "http://h/v1?a=1&token=hunter2",
        "http://h?access_token=hunter2", "http://h?X-Amz-Signature=hunter2", "http://h?subscription-key=hunter2",
        "http://h?pwd=hunter2", "http://h?passwd=hunter2", "http://h?a=1;key=hunter2", "http://h?api%5Fk%65y=hunter2",
    ],
    SPACES: [
        " http://h", "http://h ", "http://h\n", "http://h\t/v1", "http://h/a b", "http://h: 80", "http://h\u00a0",
        "http://h/v1\u2028", "http://h\u200b/v1", "http://h/\ufeff", "http://h\x00", "http:\\\\h\\v1", "http://h\\v1",
    ],
    "must not have a fragment": ["http://h#", "http://h#f", "http://h/?#", "http://h/v1?q=a#f"],
    "must be the root, without /chat/completions": [
        "http://h/v1/chat/completions", "http://h/v1/chat/completions/", "http://h/chat/completions?api-version=1",
    ],
}  # fmt: skip
TARGETS = [
    "h:50051", "h", "dns:///h:50051", "dns:h:50051", "dns:1.2.3.4:50051", "dns://8.8.8.8/h:1", "DNS:///h:1",
    "ipv4:1.2.3.4:50051,1.2.3.5:50051", "ipv6:[::1]:50051", "[::1]:50051", "[::1]", "unix:/run/x", "unix:1.sock",
    "unix:///run/x", "unix-abstract:x", "vsock:1:2", "xds:///x", "adapter-fast.models.svc:50051",
]  # fmt: skip
NO_TARGETS = {
    "not the URL of another protocol": ["http://h:50051", "https://h", "grpc://h:1", "tcp://h:1"],
    PORT: ["h:0", "h:65536", "h:x", "h:", "h:50051/", "dns:///h:0", "ipv4:1.2.3.4:1,1.2.3.5:0", "ipv6:[::1]:99999"],
    "names no host": ["dns:///", "unix:"],
    "must be a gRPC target": ["", " h:1", "h :1", "h\n", "h\u200b:1"],
}


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(address, fault) for fault, addresses in table.items() for address in addresses]


@pytest.mark.parametrize(("given", "root"), ROOTS.items())
def test_a_providers_root_has_no_slash_at_its_end(given: str, root: str) -> None:
    assert checked_url(given) == root


@pytest.mark.parametrize(("given", "fault"), pairs(REFUSED))
def test_what_is_no_providers_root_is_refused_with_the_reason(given: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        checked_url(given)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("target", TARGETS)
def test_a_grpc_target_is_taken_as_it_is(target: str) -> None:
    assert checked_target(target) == target


@pytest.mark.parametrize(("target", "fault"), pairs(NO_TARGETS))
def test_what_is_no_grpc_target_is_refused_with_the_reason(target: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        checked_target(target)


def test_a_file_names_the_field_of_each_address() -> None:
    text = b"candidates:\n- name: a\n  model: m\n  base_url: http://h:0\n  address: http://a:1\n"
    url, target = faults(text)
    assert url == f"{PATH}:4: candidates[0].base_url: must have a port from 1 to 65,535, or none"
    assert target.startswith(f"{PATH}:5: candidates[0].address: must be a gRPC target like dns:///adapter-fast:50051")


@pytest.mark.parametrize(
    ("root", "url"),
    [("http://h/v1", "http://h/v1/x"), ("http://h/v1?a=1", "http://h/v1/x?a=1"), ("http://h?a=1", "http://h/x?a=1")],
)
def test_a_path_below_a_root_stands_before_its_query(root: str, url: str) -> None:
    assert under(root, "/x") == url
