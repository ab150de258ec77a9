"""The opaque continuation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.continuation import NOTHING, ResumeState, decode, encode
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
COUNT = st.integers(0, 2**31 - 1)


@given(st.builds(ResumeState, TEXT.filter(bool), st.booleans(), TEXT, COUNT, COUNT, TEXT))
def test_any_replica_reads_it(resume: ResumeState) -> None:
    assert decode(encode("fast", "tiny", resume), "fast", "tiny") == resume


def test_an_empty_continuation_is_none() -> None:
    assert decode(b"", "fast", "tiny") is NOTHING
    assert decode(encode("fast", "tiny", NOTHING), "fast", "tiny") == NOTHING


def bad(data: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        decode(data, "fast", "tiny")
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.reason == ErrorReason.ERROR_REASON_BAD_CONTINUATION
    assert caught.value.violations[0].field == "generation.continuation"
    return caught.value


@pytest.mark.parametrize("owner", [("slow", "tiny"), ("fast", "large")])
def test_another_candidate_or_model_cannot_use_it(owner: tuple[str, str]) -> None:
    assert "another" in bad(encode(*owner, ResumeState(head="<think>"))).message


@pytest.mark.parametrize(
    "data",
    [
        b"\x02{}",
        b"garbage",
        b"\x01",
        b"\x01[]",
        b"\x01{}",
        b"\x01\xff",
        b"\x01" + b"[" * 100_000,
        b'\x01{"c":"fast","m":"tiny","h":1}',
        b'\x01{"c":"fast","m":"tiny","t":-1}',
        b'\x01{"c":"fast","m":"tiny","t":true}',
        b'\x01{"c":"fast","m":"tiny","i":1}',
        b'\x01{"c":"fast","m":"tiny","r":"\\ud800"}',
        b'\x01{"c":"fast","m":"tiny","s":1}',
    ],
)
def test_an_unreadable_continuation_is_refused(data: bytes) -> None:
    bad(data)


@given(st.binary(min_size=1))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    bad(b"\x01" + data)


def test_reasoning_beyond_the_contract_is_left_out() -> None:
    data = encode("fast", "tiny", ResumeState(head="é" * 3_000_000, inside=True, tokens=7))
    assert len(data) < 4 * 1024 * 1024
    assert decode(data, "fast", "tiny") == ResumeState(tokens=7)
