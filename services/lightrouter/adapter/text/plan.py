"""The plan of one generation: the request to the provider, and how its reply is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.quirks import Quirks
from lightrouter.adapter.text.boundary import REPLACEMENT
from lightrouter.adapter.text.continuation import NOTHING, ResumeState
from lightrouter.adapter.text.cut import Cut
from lightrouter.adapter.text.opening import Opening, PrefillUse
from lightrouter.adapter.text.reasoning import ThinkSplitter
from lightrouter.adapter.text.transcript import Transcript
from lightrouter.pool.choices import AbilityName, ContinuationStyle, Thinking
from lightrouter.pool.schema import REPLAY, CandidateEntry
from lightrouter.runtime.messages import text_of
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import Role, Usage
from lightrouter.v1.ledger_pb2 import Stage

_ASSISTANT: Final = Role.ROLE_ASSISTANT


@dataclass(frozen=True, slots=True)
class Plan:
    """One generation, planned for any number of attempts."""

    request: ProviderRequest
    """The request to the provider."""
    resume_state: ResumeState
    """The state from which the model goes on; empty if it starts anew."""
    visible: bool
    """Whether the prefill has visible text."""
    restarted: bool
    """Whether the caller has a first part of the text and the model writes it anew nevertheless."""
    stops: tuple[str, ...]
    """The texts that end the output."""
    trusted: bool = True
    """Whether the provider is known to go on from prefills."""
    begins_blank: bool = False
    """Whether the provider is known to begin texts with white space."""

    def cut(self) -> Cut:
        """Returns the cut of one attempt, for its checkpoint, and for limits and stop texts that the provider lacks."""
        request = self.request
        stops = self.stops if "stop" in request.quirks.refused else ()
        return Cut(request.max_tokens if request.is_cut else None, stops, request.checkpoint_tokens)

    def transcript(self, entry: CandidateEntry) -> Transcript:
        """Returns the empty transcript of one attempt."""
        resume_state, tags = self.resume_state, entry.thinking_tags
        raw = entry.continuation is ContinuationStyle.RAW
        opening = Opening(
            self.request.prefill if entry.echoes_prefix or not raw else "",
            echoes=entry.echoes_prefix,
            may_restart=not raw,
            trusted=self.trusted,
            begins_blank=self.begins_blank,
            think="" if resume_state.inside or entry.thinking is Thinking.OFF else tags[0],
        )
        return Transcript(
            ThinkSplitter(entry.thinking, resume_state.head, tags, inside=resume_state.inside, visible=self.visible),
            opening,
            anew=ThinkSplitter(entry.thinking, tags=tags),
            stops=self.stops,
        )


def make_plan(
    entry: CandidateEntry,
    generation: Generation,
    resume_state: ResumeState,
    quirks: Quirks,
    checkpoint: int = 0,
    *,
    continues_prefills: bool = False,
    begins_blank: bool = False,
) -> Plan:
    """Returns the plan for `generation` by the candidate of `entry`.

    Tool calls never follow a first part by a provider that is not known to go on from it.

    Args:
        entry: The candidate.
        generation: The request.
        resume_state: The decoded continuation of the generation.
        quirks: The known quirks of the provider.
        checkpoint: The new tokens before the checkpoint, 0 for none. A limit that comes first makes it needless.
        continues_prefills: Whether the provider is known to continue prefills.
        begins_blank: Whether it is known to begin texts with white space.
    """
    sampling = generation.sampling
    messages = generation.messages[:]
    can_go_on = entry.continuation is not ContinuationStyle.NONE and not quirks.refuses_prefill
    trusted = (
        continues_prefills
        or entry.continuation is ContinuationStyle.RAW
        or entry.provider == REPLAY
        or AbilityName.PREFILL in (entry.abilities or ())
    )
    can_go_on &= trusted or not generation.output.tools
    prefill = reasoning = ""
    dropped_turn = False
    if quirks.refuses_prefill:
        while len(messages) > 1 and messages[-1].role == _ASSISTANT:
            messages.pop()
            dropped_turn = True
    if can_go_on:
        prefill = resume_state.head + generation.prefix
        if entry.continuation is ContinuationStyle.PREFIX:
            reasoning = resume_state.reasoning
        if len(messages) > 1 and messages[-1].role == _ASSISTANT:
            # Some providers refuse two messages of the assistant in a row, others join them.
            prefill = text_of(messages.pop()) + prefill
    has_prefill = bool(prefill or reasoning)
    restarted = not has_prefill and (dropped_turn or bool(generation.prefix or generation.continuation))
    most = sampling.max_output_tokens if sampling.HasField("max_output_tokens") else entry.sampling.max_output_tokens
    if restarted:
        again = resume_state.tokens or estimate_tokens(generation.prefix)
        most = most and most + again
        checkpoint = checkpoint and checkpoint + again
    if most is not None and checkpoint >= most:
        checkpoint = 0
    boots = generation.stage == Stage.STAGE_BOOT and not checkpoint
    goes_on = bool(generation.prefix or generation.continuation) or any(each.role == _ASSISTANT for each in messages)
    return Plan(
        request=ProviderRequest(
            messages, sampling, most, prefill, reasoning, quirks, checkpoint, generation.output, boots or goes_on
        ),
        resume_state=resume_state if has_prefill else NOTHING,
        visible=has_prefill and bool(generation.prefix),
        restarted=restarted,
        stops=tuple(sampling.stop) or entry.sampling.stop,
        trusted=trusted,
        begins_blank=begins_blank,
    )


def next_resume_state(
    transcript: Transcript, before: ResumeState, used: Usage, span: str, *, takes_reasoning_back: bool
) -> ResumeState:
    """Returns the state after an output of `used` tokens, which `span` wrote from `before` on and a limit cut."""
    prompt_tokens = before.prompt_tokens or (0 if used.estimated else used.input_tokens)
    if transcript.prefill_use is PrefillUse.RESTARTED:
        before = NOTHING
    takes_back = takes_reasoning_back or before.reasoning
    return ResumeState(
        head=transcript.head,
        inside=transcript.inside,
        reasoning=(before.reasoning + transcript.field_reasoning).rstrip(REPLACEMENT) if takes_back else "",
        tokens=before.tokens + used.output_tokens,
        prompt_tokens=prompt_tokens,
        span=span,
    )
