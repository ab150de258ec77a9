"""The opaque continuation: an adapter returns it with an output that a limit cut, and any replica can go on from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from lightrouter.runtime.errors import ServiceError, invalid
from lightrouter.v1.error_reason_pb2 import ErrorReason

_VERSION: Final = b"\x01"
# The limit of the field in adapter.proto, less room for the other members.
_MAX_REASONING_BYTES: Final = 4 * 1024 * 1024 - 4096
_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ResumeState:
    """The state from which a model continues, in addition to the visible text."""

    head: str = ""
    """The text before the visible text: hidden reasoning in its tags."""
    inside: bool = False
    """Whether `head` ends inside hidden reasoning."""
    reasoning: str = ""
    """Hidden reasoning that came in a field of its own and goes back there."""
    tokens: int = 0
    """The tokens written so far, which a restart must write again."""
    prompt_tokens: int = 0
    """The provider's count of the conversation without the text; 0 if it gave none."""
    span: str = ""
    """The span that wrote it, as `runtime.telemetry.span_reference` has it; empty if it was not recorded."""


NOTHING: Final = ResumeState()
"""The state before anything is written."""


def encode(candidate: str, model: str, resume_state: ResumeState) -> bytes:
    """Returns the continuation of `candidate`'s `model`. Leaves out the text if it is too large for the contract."""
    members: dict[str, object] = {"c": candidate, "m": model, "t": resume_state.tokens}
    if resume_state.head:
        members |= {"h": resume_state.head, "i": resume_state.inside}
    if resume_state.reasoning:
        members["r"] = resume_state.reasoning
    if resume_state.prompt_tokens:
        members["p"] = resume_state.prompt_tokens
    if resume_state.span:
        members["s"] = resume_state.span
    data = _json(members).encode()
    if len(data) > _MAX_REASONING_BYTES:
        return encode(candidate, model, replace(resume_state, head="", inside=False, reasoning=""))
    return _VERSION + data


def decode(data: bytes, candidate: str, model: str) -> ResumeState:
    """Returns the state in `data`, which `candidate` wrote with `model`; the empty one for empty `data`.

    Raises:
        ServiceError: Another candidate or model wrote `data`, or a later version of the adapter (BAD_CONTINUATION).
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
    tokens, prompt_tokens, span = members.get("t", 0), members.get("p", 0), members.get("s", "")
    texts = (head, reasoning, span)
    if not (all(isinstance(text, str) for text in texts) and isinstance(inside, bool)):
        raise _bad("cannot be read")
    if not (_is_count(tokens) and _is_count(prompt_tokens)):
        raise _bad("cannot be read")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise _bad("cannot be read") from None
    return ResumeState(head, inside, reasoning, tokens, prompt_tokens, span)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _bad(what: str) -> ServiceError:
    return invalid(
        "generation.continuation", f"the continuation {what}", reason=ErrorReason.ERROR_REASON_BAD_CONTINUATION
    )
