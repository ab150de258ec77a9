"""The form that a request asks for: its schemas are read once, and each draft is checked against it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from lightrouter.answers.json_schema import OutputForm
from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult
from lightrouter.router.context import RouteContext
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.tokens import output_texts
from lightrouter.runtime.toolcalls import calls_text
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_UNKNOWN,
    ROLE_ASSISTANT,
    ROLE_USER,
    ChatMessage,
    OutputSpec,
    ToolCall,
)
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_FORM_NOT_MET

# A choice: less is checked in a millisecond or two, and the event loop need not wait for a thread.
_CHECKED_AT_ONCE: Final = 4 * 1024
# A choice: the check of a schema itself takes 10 us a character.
_READ_AT_ONCE: Final = 1024


async def form_of(output: OutputSpec) -> OutputForm | None:
    """Returns what tells the faults of answers to a request; None if every answer will do.

    Raises:
        ServiceError: INVALID_ARGUMENT: a schema cannot be used.
    """
    if output == OutputSpec():
        return None
    size = sum(map(len, output_texts(output)))
    if size <= _READ_AT_ONCE:
        form = OutputForm(output, "prompt.output")
    else:
        form = await asyncio.to_thread(OutputForm, output, "prompt.output")
    return None if form.is_free else form


async def fault_of(route: RouteContext, text: str, calls: Sequence[ToolCall]) -> str:
    """Returns what is wrong with a draft by the request's form; empty if nothing is."""
    form = route.admission.form
    if form is None:
        return ""
    found = form.quick_fault(text, calls) if len(text) + len(calls_text(calls)) <= _CHECKED_AT_ONCE else None
    if found is not None:
        return found
    return await asyncio.to_thread(form.fault, text, calls)


async def mended(
    route: RouteContext, models: Models, drafts: Sequence[Draft], boots: Sequence[BootResult]
) -> list[Draft]:
    """Returns the drafts that have the request's form.

    If none has it, its best-ranked author is asked once more, and told the fault. If that does not help, the answer is
    the best draft all the same, as a text that may not be whole, and the degradation is recorded.
    """
    faults = [await fault_of(route, draft.text, draft.tool_calls) for draft in drafts]
    formed = [draft for draft, fault in zip(drafts, faults, strict=True) if not fault]
    if formed or not drafts:
        return formed
    best, fault = drafts[0], faults[0]
    boot = next((boot for boot in boots if boot.candidate.name == best.candidate), None)
    again = await _asked_again(route, models, boot, best, fault) if boot else None
    if again is not None:
        return [again]
    route.ledger.degrade(DEGRADED_REASON_FORM_NOT_MET, f"the answer of {best.candidate} {fault}", best.candidate)
    kept = Draft()
    kept.CopyFrom(best)
    kept.finish_reason = FINISH_REASON_UNKNOWN
    return [kept]


async def _asked_again(route: RouteContext, models: Models, boot: BootResult, draft: Draft, fault: str) -> Draft | None:
    grant = route.budget.grant(BootResult.empty(boot.candidate))
    if grant is None or not grant.tokens or route.deadline.expired:
        return None
    said = draft.text or calls_text(draft.tool_calls) or "-"
    request = f"This {fault}. Answer again in the form that was asked for, and write nothing else."
    call = CandidateCall.again(
        route,
        models,
        boot,
        grant,
        [ChatMessage(role=ROLE_ASSISTANT, content=said), ChatMessage(role=ROLE_USER, content=request)],
    )
    try:
        await call.generate(route.deadline)
    except ServiceError as error:
        call.fail(error)
        return None
    text = call.end_draft()
    if text is None or await fault_of(route, text, call.calls):
        return None
    return Draft(
        candidate=draft.candidate,
        text=text,
        score=draft.score,
        finish_reason=call.finish_reason,
        tool_calls=call.calls,
    )
