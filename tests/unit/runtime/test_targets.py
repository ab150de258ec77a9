"""Which adapters a request may name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.runtime.settings import ADAPTER_ADDRESS
from lightrouter.v1.candidate_pb2 import ModelTarget

ELSEWHERE = f"{ADAPTER_ADDRESS}  dns:///elsewhere:* unix:/run/*.sock ipv4:10.0.0.1:1,10.0.0.2:1"


@pytest.mark.parametrize(
    ("templates", "candidate", "address"),
    [
        (ADAPTER_ADDRESS, "fast", "dns:///adapter-fast:50051"),
        (ELSEWHERE, "fast", "dns:///elsewhere:1"),
        (ELSEWHERE, "fast", "ipv4:10.0.0.1:1,10.0.0.2:1"),
        (ELSEWHERE, "Any Name", "unix:/run/a.sock"),
        ("*", "fast", "anything"),
        ("unix:/run/{name}/{name}.sock", "a-1", "unix:/run/a-1/a-1.sock"),
    ],
)
def test_a_target_of_the_templates_is_allowed(templates: str, candidate: str, address: str) -> None:
    AllowedTargets(templates).check(ModelTarget(candidate=candidate, address=address), "judge")


@pytest.mark.parametrize(
    ("templates", "candidate", "address"),
    [
        (ADAPTER_ADDRESS, "fast", "dns:///adapter-slow:50051"),
        (ADAPTER_ADDRESS, "fast", "dns:///adapter-fast:50051 "),
        (ADAPTER_ADDRESS, "fast", "dns:///adapter-fast:500511"),
        (ADAPTER_ADDRESS, "fast", "ipv4:10.0.0.1:50051"),
        (ADAPTER_ADDRESS, "fast", ""),
        (ADAPTER_ADDRESS, "a.evil.example", "dns:///adapter-a.evil.example:50051"),
        (ADAPTER_ADDRESS, "a:1/", "dns:///adapter-a:1/:50051"),
        (ADAPTER_ADDRESS, "*", "dns:///adapter-*:50051"),
        ("unix:/run/{name}.sock", "../tmp/x", "unix:/run/../tmp/x.sock"),
        ("dns:///a.b:1", "fast", "dns:///aXb:1"),
        (ELSEWHERE, "fast", "xdns:///elsewhere:1"),
        ("", "fast", "dns:///adapter-fast:50051"),
        ("  ", "fast", ""),
        (ELSEWHERE, "fast", "ipv4:10.0.0.1:1"),
    ],
)
def test_another_target_is_bad_input(templates: str, candidate: str, address: str) -> None:
    with pytest.raises(ServiceError) as caught:
        AllowedTargets(templates).check(ModelTarget(candidate=candidate, address=address), "judge")
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert [violation.field for violation in caught.value.violations] == ["judge.address"]


@given(st.text(), st.text())
def test_a_name_cannot_change_the_host_of_a_template(candidate: str, address: str) -> None:
    allowed = AllowedTargets(ADAPTER_ADDRESS)
    for tried in (address, ADAPTER_ADDRESS.replace("{name}", candidate)):
        try:
            allowed.check(ModelTarget(candidate=candidate, address=tried), "judge")
        except ServiceError:
            continue
        assert set(candidate) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
