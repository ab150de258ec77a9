"""The opaque continuation: what an adapter hands out with a cut output, so that any replica can go on from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from lightrouter.runtime.errors import ServiceError, invalid
from lightrouter.v1.error_reason_pb2 import ErrorReason

_VERSION: Final = b"\x01"
# The contract's limit on the field, less what is not reasoning.
_MAX_REASONING_BYTES: Final = 4 * 1024 * 1024 - 4096


@dataclass(frozen=True, slots=True)
class ResumeState:
    """What, besides the visible text, the model is given back to go on."""

    head: str = ""
    """All that was written before the visible text, hidden reasoning in its tags."""
    inside: bool = False
    """Whether `head` ends within hidden reasoning."""
    reasoning: str = ""
    """Hidden reasoning that came in a field of its own and is given back there."""
    tokens: int = 0
    """Tokens written so far; what a restart has to write again."""
    span: str = ""
    """The span that wrote it, as `runtime.telemetry.span_reference` has it; empty where it was not recorded."""


NOTHING: Final = ResumeState()
"""What there is to give back at the begin."""


def encode(candidate: str, model: str, resume: ResumeState) -> bytes:
    """Returns the continuation of `candidate`'s `model`; without reasoning too large for the contract."""
    members: dict[str, object] = {"c": candidate, "m": model, "t": resume.tokens}
    if resume.head:
        members |= {"h": resume.head, "i": resume.inside}
    if resume.reasoning:
        members["r"] = resume.reasoning
    if resume.span:
        members["s"] = resume.span
    data = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > _MAX_REASONING_BYTES:
        return encode(candidate, model, ResumeState(tokens=resume.tokens, span=resume.span))
    return _VERSION + data


def decode(data: bytes, candidate: str, model: str) -> ResumeState:
    """Returns what `data` gives back to `candidate`'s `model`; nothing for empty `data`.

    Raises:
        ServiceError: BAD_CONTINUATION; it was not made by this candidate with this model, or is of a later version.
    """
    if not data:
        return NOTHING
    if not data.startswith(_VERSION):
        raise _bad("is of a version that this adapter does not read")
    try:
        members = json.loads(str(data[1:], "utf-8"))
    except (ValueError, RecursionError):
        raise _bad("cannot be read") from None
    if not isinstance(members, dict):
        raise _bad("cannot be read")
    if members.get("c") != candidate or members.get("m") != model:
        raise _bad("was made by another candidate or another model")
    head, inside, reasoning = members.get("h", ""), members.get("i", False), members.get("r", "")
    tokens, span = members.get("t", 0), members.get("s", "")
    texts = (head, reasoning, span)
    if not (all(isinstance(text, str) for text in texts) and isinstance(inside, bool) and _is_count(tokens)):
        raise _bad("cannot be read")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise _bad("cannot be read") from None
    return ResumeState(head, inside, reasoning, tokens, span)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _bad(what: str) -> ServiceError:
    return invalid(
        "generation.continuation", f"the continuation {what}", reason=ErrorReason.ERROR_REASON_BAD_CONTINUATION
    )
